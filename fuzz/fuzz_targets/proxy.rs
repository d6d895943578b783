#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kidstamp_fuzz::target("proxy")(data));

#[cfg(not(fuzzing))]
fn main() {}
