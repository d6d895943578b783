//! The command line as its users type it: arguments in, text and exit code out.

#[test]
fn commands() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}
