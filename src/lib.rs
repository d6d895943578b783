//! kidstamp

pub mod json;
pub mod jose;
