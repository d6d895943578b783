//! kidstamp

pub mod jose;
pub mod json;
pub mod rules;
pub mod token;
