//! The forms that an answer takes, for every command that lets its user choose.

use clap::{Args, ValueEnum};

/// The option that chooses.
#[derive(Debug, Clone, Copy, Args)]
pub struct Format {
    /// The form of the answer: for people, for programs, or SARIF 2.1.0 for code scanners
    #[arg(long = "format", value_enum, value_name = "FORM", default_value_t = Form::Text)]
    pub(super) form: Form,
}

/// One of the forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Text,
    Json,
    Sarif,
}
