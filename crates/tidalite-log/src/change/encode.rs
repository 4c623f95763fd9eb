//! Changes to bytes.

use super::codes::{
    CLEAR, DELETE, EDIT, END, FALSE, FLOAT, INT, KEEP, LIST, MAP, NULL, REWIND, SET, START, TEXT, TRUE,
    WITHDRAW,
};
use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{
    Assign, Error, ErrorKind, Moment, PARAM_DEPTH_MAX, Param, Parent, Result, RunChange, RunEdit, RunEnd,
    RunStart, Status,
};

/// Appends the bytes of `change` to `out`.
///
/// # Errors
/// `Invalid` if a param nests too deep. `Unsupported` for a kind of change or param that this format does not have.
pub(crate) fn encode(change: &RunChange, out: &mut Vec<u8>) -> Result<()> {
    match change {
        RunChange::Start(start) => {
            let RunStart { time_us, labels, host, pid, gone, edit } = start;
            out.push(START);
            out.extend_from_slice(&time_us.to_le_bytes());
            put_text(out, labels.as_str())?;
            put_text(out, host)?;
            out.extend_from_slice(&pid.to_le_bytes());
            put_moment(out, gone)?;
            put_edit(out, edit)?;
        }
        RunChange::Edit(edit) => {
            out.push(EDIT);
            put_edit(out, edit)?;
        }
        RunChange::End(RunEnd { start, time_us, status, reason, logged, last_step }) => {
            out.push(END);
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&time_us.to_le_bytes());
            out.push(status_code(*status)?);
            put_option(out, reason.as_deref(), put_text)?;
            out.push(u8::from(*logged));
            put_option(out, *last_step, put_i64)?;
        }
        RunChange::Rewind { step, before, labels, metrics } => {
            out.push(REWIND);
            out.extend_from_slice(&step.to_le_bytes());
            put_moment(out, before)?;
            put_text(out, labels.as_str())?;
            put_count(out, metrics.len())?;
            metrics.iter().try_for_each(|m| put_text(out, m))?;
        }
        RunChange::Delete { before } => {
            out.push(DELETE);
            put_moment(out, before)?;
        }
        RunChange::Withdraw { start } => {
            out.push(WITHDRAW);
            out.extend_from_slice(&start.to_le_bytes());
        }
        _ => return Err(unknown("change")),
    }
    Ok(())
}

fn put_edit(out: &mut Vec<u8>, edit: &RunEdit) -> Result<()> {
    put_map(out, &edit.params, 0)?;
    put_set(out, &edit.remove_params)?;
    put_set(out, &edit.add_tags)?;
    put_set(out, &edit.remove_tags)?;
    for text in [&edit.name, &edit.notes, &edit.group] {
        put_assign(out, text, |out, text| put_text(out, text))?;
    }
    put_assign(out, &edit.environment, |out, environment| put_map(out, environment, 0))?;
    put_assign(out, &edit.parent, put_parent)?;
    put_assign(out, &edit.status, |out, status| {
        out.push(status_code(*status)?);
        Ok(())
    })?;
    for time in [&edit.started_us, &edit.ended_us] {
        put_assign(out, time, |out, time| put_i64(out, *time))?;
    }
    Ok(())
}

fn put_parent(out: &mut Vec<u8>, parent: &Parent) -> Result<()> {
    put_text(out, &parent.run)?;
    put_option(out, parent.step, put_i64)
}

fn put_assign<T>(
    out: &mut Vec<u8>,
    field: &Assign<T>,
    put: impl FnOnce(&mut Vec<u8>, &T) -> Result<()>,
) -> Result<()> {
    match field.value() {
        None => out.push(KEEP),
        Some(None) => out.push(CLEAR),
        Some(Some(value)) => {
            out.push(SET);
            put(out, value)?;
        }
    }
    Ok(())
}

fn put_option<T>(
    out: &mut Vec<u8>,
    value: Option<T>,
    put: impl FnOnce(&mut Vec<u8>, T) -> Result<()>,
) -> Result<()> {
    out.push(u8::from(value.is_some()));
    value.map_or(Ok(()), |value| put(out, value))
}

fn put_i64(out: &mut Vec<u8>, value: i64) -> Result<()> {
    out.extend_from_slice(&value.to_le_bytes());
    Ok(())
}

fn status_code(status: Status) -> Result<u8> {
    let place = Status::ALL.iter().position(|s| *s == status).ok_or_else(|| unknown("status"))?;
    Ok(u8::try_from(place).expect("there are four") + 1)
}

fn put_moment(out: &mut Vec<u8>, moment: &Moment) -> Result<()> {
    out.extend_from_slice(&moment.below().to_le_bytes());
    put_count(out, moment.ends().count())?;
    for (writer, end) in moment.ends() {
        out.extend_from_slice(&writer.to_le_bytes());
        out.extend_from_slice(&end.to_le_bytes());
    }
    Ok(())
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Result<()> {
    let count = u32::try_from(count).map_err(|_| {
        Error::invalid(
            "append run change",
            format!("{count} items or bytes are too many"),
            "give less at once",
        )
    })?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    put_count(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_set(out: &mut Vec<u8>, set: &BTreeSet<String>) -> Result<()> {
    put_count(out, set.len())?;
    set.iter().try_for_each(|t| put_text(out, t))
}

fn put_map(out: &mut Vec<u8>, map: &BTreeMap<String, Param>, depth: usize) -> Result<()> {
    put_count(out, map.len())?;
    for (key, value) in map {
        put_text(out, key)?;
        put_param(out, value, depth)?;
    }
    Ok(())
}

fn put_param(out: &mut Vec<u8>, param: &Param, depth: usize) -> Result<()> {
    let nest = || {
        if depth < PARAM_DEPTH_MAX {
            return Ok(depth + 1);
        }
        Err(Error::invalid(
            "append run change",
            format!("a param nests lists and maps more than {PARAM_DEPTH_MAX} deep"),
            "flatten it, or keep it as text",
        ))
    };
    match param {
        Param::Null => out.push(NULL),
        Param::Bool(b) => out.push(if *b { TRUE } else { FALSE }),
        Param::Int(i) => {
            out.push(INT);
            out.extend_from_slice(&i.to_le_bytes());
        }
        Param::Float(f) => {
            out.push(FLOAT);
            out.extend_from_slice(&f.to_bits().to_le_bytes());
        }
        Param::Text(s) => {
            out.push(TEXT);
            put_text(out, s)?;
        }
        Param::List(items) => {
            let depth = nest()?;
            out.push(LIST);
            put_count(out, items.len())?;
            items.iter().try_for_each(|item| put_param(out, item, depth))?;
        }
        Param::Map(map) => {
            let depth = nest()?;
            out.push(MAP);
            put_map(out, map, depth)?;
        }
        _ => return Err(unknown("param")),
    }
    Ok(())
}

fn unknown(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "append run change",
        format!("the log's format does not have this kind of {what}"),
        "use a version of tidalite whose parts belong together",
    )
}
