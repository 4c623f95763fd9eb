//! Params by name, or by a path of names into params within params.

use tidalite_model::{Param, Params};

/// The param at the end of a path of names.
pub(super) fn param_at<'a>(params: &'a Params, path: &[String]) -> Option<&'a Param> {
    let (first, rest) = path.split_first()?;
    let mut found = params.get(first)?;
    for name in rest {
        let Param::Map(map) = found else { return None };
        found = map.get(name)?;
    }
    Some(found)
}

/// The param of exactly this name; else, where the name has dots, the param at the end of the path of names between
/// them.
///
/// ```
/// use std::collections::BTreeMap;
/// use tidalite_model::{Param, Params};
/// let model = Param::Map(BTreeMap::from([("depth".to_string(), Param::Int(8))]));
/// let params = Params::from([("model".to_string(), model), ("a.b".to_string(), Param::Int(1))]);
/// assert_eq!(tidalite_query::param_named(&params, "model.depth"), Some(&Param::Int(8)));
/// assert_eq!(tidalite_query::param_named(&params, "a.b"), Some(&Param::Int(1)));
/// ```
pub fn param_named<'a>(params: &'a Params, name: &str) -> Option<&'a Param> {
    params.get(name).or_else(|| {
        let path: Vec<String> = name.split('.').map(str::to_string).collect();
        param_at(params, &path)
    })
}
