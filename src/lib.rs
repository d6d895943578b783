//! kidstamp

pub mod jose;
pub mod json;
pub mod rules;
