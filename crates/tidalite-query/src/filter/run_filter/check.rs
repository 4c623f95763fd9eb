//! Which values and patterns a field takes.

use super::field::RunField;
use super::literal::{field_text, value_text};
use crate::filter::rfc3339::parse_time;
use tidalite_model::{Param, Status};

impl RunField {
    /// The value as the filter keeps it (times as µs), or what is wrong with it.
    pub(super) fn checked(&self, order: bool, value: Param) -> Result<Param, String> {
        if matches!(value, Param::List(_) | Param::Map(_)) {
            return Err("a list or a map cannot be compared".into());
        }
        match (self, value) {
            (RunField::Param(path) | RunField::Environment(path), _) if path.is_empty() => {
                Err("a param and a field of the environment have a name".into())
            }
            (RunField::Param(_) | RunField::Environment(_), value) => Ok(value),
            (RunField::Status, _) if order => Err("a status has no order; use = or !=".into()),
            (RunField::Status, Param::Text(word)) if Status::parse(&word).is_some() => Ok(Param::Text(word)),
            (RunField::Status, value) => {
                let words = "\"running\", \"finished\", \"failed\" or \"lost\"";
                Err(format!("{} is not a status; give {words}", value_text(&value)))
            }
            (RunField::Started | RunField::Ended, Param::Int(us)) => Ok(Param::Int(us)),
            (RunField::Started | RunField::Ended, value) => {
                let time = if let Param::Text(text) = &value { parse_time(text) } else { None };
                let wrong = "is not a time; give a text such as \"2026-11-01\" or \"2026-11-01T12:00:00Z\", or an \
                             integer of µs since 1970 UTC";
                time.map(Param::Int).ok_or_else(|| format!("{} {wrong}", value_text(&value)))
            }
            (_, Param::Text(text)) => Ok(Param::Text(text)),
            (field, value) => {
                Err(format!("`{}` is text, and {} is not", field_text(field), value_text(&value)))
            }
        }
    }

    pub(super) fn check_like(&self) -> Result<(), String> {
        match self {
            RunField::Started | RunField::Ended => Err("a time is not text and matches no pattern".into()),
            _ => Ok(()),
        }
    }
}
