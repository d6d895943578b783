//! The configuration that is proposed: each line below the reason for it, choices as comments.

use std::fmt::Write as _;

/// A file in the making.
#[derive(Default)]
pub(super) struct Draft {
    text: String,
}

impl Draft {
    /// A line of the file's own, such as `[upstream]`, after an empty one.
    pub(super) fn section(&mut self, header: &str) {
        let _ = writeln!(self.text, "\n{header}");
    }

    pub(super) fn remark(&mut self, text: &str) {
        for line in wrapped(text) {
            let _ = writeln!(self.text, "# {line}");
        }
    }

    /// A setting that is needed.
    pub(super) fn needed(&mut self, why: &str, key: &str, value: impl Into<toml::Value>) {
        self.remark(why);
        let _ = writeln!(self.text, "{key} = {}", value.into());
    }

    /// A setting that somebody has to decide on: to be taken out of its comment.
    pub(super) fn choice(&mut self, why: &str, key: &str, value: impl Into<toml::Value>) {
        self.remark(why);
        let _ = writeln!(self.text, "#{key} = {}", value.into());
    }

    /// What stands in the file as it is.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Lines that one can read side by side with another file.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 96;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.len() + word.len() < WIDTH => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::Draft;

    #[test]
    fn what_is_chosen_can_be_taken_out_of_its_comment() {
        let mut draft = Draft::default();
        draft.section("[[issuer]]");
        draft.needed("It has a \"quote\".", "issuer", "https://a.test/\"b\"");
        draft.choice(&"word ".repeat(40), "aliases", vec!["https://a.test/"]);
        let text = draft.into_text();
        assert!(text.lines().all(|line| line.len() < 100), "{text}");
        let chosen = text.replace("\n#aliases", "\naliases");
        let read: toml::Table = toml::from_str(&chosen).unwrap();
        assert_eq!(read["issuer"][0]["aliases"][0].as_str(), Some("https://a.test/"));
        assert!(
            toml::from_str::<toml::Table>(&text).unwrap()["issuer"][0].get("aliases").is_none()
        );
    }
}
