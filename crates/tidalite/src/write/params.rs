//! The limits on params of a run.

use tidalite_model::{Error, PARAM_DEPTH_MAX, Param, Result, check_name};

/// # Errors
/// `Invalid` for a wrong key, and for a value that nests too deep.
pub(super) fn check_param(key: &str, value: &Param) -> Result<()> {
    check_name("param name", key)?;
    if value.depth() > PARAM_DEPTH_MAX {
        return Err(Error::invalid(
            "set param",
            format!("param {key:?} nests {} deep", value.depth()),
            format!("nest at most {PARAM_DEPTH_MAX} deep"),
        ));
    }
    Ok(())
}
