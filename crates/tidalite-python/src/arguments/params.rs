//! Params, tags and labels, to and from Python's built-in types.

use crate::errors::{invalid, raise};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{
    IntoPyDict, PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping,
    PySequence, PySet, PyString, PyTuple, PyType,
};
use tidalite::{Labels, Param, Params};

/// The marker `tidalite.REMOVE`, given as a param's value to remove the param.
#[pyclass(name = "Removal", module = "tidalite", frozen)]
pub(crate) struct Removal;

#[pymethods]
impl Removal {
    fn __repr__(&self) -> &'static str {
        "tidalite.REMOVE"
    }

    fn __reduce__(&self) -> &'static str {
        "REMOVE"
    }
}

/// A run's params: a mapping from text to plain values, or an object with such fields.
pub(crate) fn params(given: &Bound<'_, PyAny>) -> PyResult<Params> {
    let (params, removed) = edited_params(given)?;
    match removed.first() {
        None => Ok(params),
        Some(key) => Err(invalid(
            "start run",
            format!("param {key:?} is tidalite.REMOVE"),
            "give a value; Run.set_params and Store.edit remove params",
        )),
    }
}

/// The params to set, and the names of those to remove.
pub(crate) fn edited_params(given: &Bound<'_, PyAny>) -> PyResult<(Params, Vec<String>)> {
    let Some(items) = items(given)? else {
        return Err(PyTypeError::new_err(format!(
            "params is of type {}; give a dict, a dataclass, a pydantic model or an argparse.Namespace",
            kind(given)
        )));
    };
    let (mut params, mut removed) = (Params::new(), Vec::new());
    for (key, value) in items {
        let key = text("a param's name", &key)?;
        if value.is_instance_of::<Removal>() {
            removed.push(key);
            continue;
        }
        let value = param(&key, &value, 0)?;
        params.insert(key, value);
    }
    Ok((params, removed))
}

/// Names with their values.
type Items<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

/// Where classes list their fields: dataclasses, attrs, pydantic (2, earlier 2, 1) and msgspec.
const FIELD_LISTS: [&str; 6] = [
    "__dataclass_fields__",
    "__attrs_attrs__",
    "__pydantic_fields__",
    "model_fields",
    "__fields__",
    "__struct_fields__",
];

/// The items of a mapping, or the fields of an object whose class lists them, of a named tuple or of a namespace.
fn items<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Items<'py>>> {
    if let Ok(mapping) = value.cast::<PyMapping>() {
        return mapping.items()?.iter().map(|item| item.extract()).collect::<PyResult<_>>().map(Some);
    }
    if value.is_instance_of::<PyType>() {
        return Ok(None);
    }
    let lists: &[&str] = if value.is_instance_of::<PyTuple>() { &["_fields"] } else { &FIELD_LISTS };
    for list in lists {
        let Some(names) = value.get_type().getattr_opt(*list)? else { continue };
        let field = |field: PyResult<Bound<'py, PyAny>>| {
            let field = field?;
            // Of attrs it is an object that has the name.
            let name = field.getattr_opt("name")?.unwrap_or(field);
            let value = value.getattr(name.cast::<PyString>()?)?;
            Ok((name, value))
        };
        let mut fields: Items<'py> = names.try_iter()?.map(field).collect::<PyResult<_>>()?;
        // What a pydantic model allows beside its fields.
        if let Some(extra) = value.getattr_opt("__pydantic_extra__")?.filter(|extra| !extra.is_none()) {
            fields.extend(items(&extra)?.unwrap_or_default());
        }
        return Ok(Some(fields));
    }
    if matches!(kind(value).as_str(), "argparse.Namespace" | "types.SimpleNamespace") {
        return items(&value.getattr("__dict__")?);
    }
    Ok(None)
}

/// Bounds the recursion. The engine has a lower limit on nesting, and its own message for it.
const DEPTH_MAX: usize = 64;

fn param(path: &str, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Param> {
    if depth > DEPTH_MAX {
        return Err(PyTypeError::new_err(format!("param {path:?} nests too deep, or contains itself")));
    }
    if value.is_none() {
        return Ok(Param::Null);
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(Param::Bool(flag.is_true()));
    }
    // Members of an enum may be of any type as well.
    if is_of(value, "enum", "Enum")? {
        return param(path, &value.getattr("value")?, depth + 1);
    }
    if value.is_instance_of::<PyInt>() {
        return value.extract().map(Param::Int).map_err(|_| too_large(path));
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(Param::Float(number.value()));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Param::Text(text(&format!("param {path:?}"), value)?));
    }
    if let Some(items) = items(value)? {
        let mut map = std::collections::BTreeMap::new();
        for (key, value) in items {
            let key = text(&format!("a name in param {path:?}"), &key)?;
            let value = param(&format!("{path}.{key}"), &value, depth + 1)?;
            map.insert(key, value);
        }
        return Ok(Param::Map(map));
    }
    if let Some(list) = list(value)? {
        let items = list.into_iter().enumerate();
        let item = |(i, item)| param(&format!("{path}[{i}]"), &item, depth + 1);
        return items.map(item).collect::<PyResult<_>>().map(Param::List);
    }
    scalar(path, value, depth)
}

/// The items of a list, a tuple, a range or a set. Those of a set are sorted, by value if they have an order, else by text.
fn list<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    let is_set = value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>();
    let is_bytes = value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>();
    if is_bytes || (!is_set && value.cast::<PySequence>().is_err()) {
        return Ok(None);
    }
    let items: Vec<_> = value.try_iter()?.collect::<PyResult<_>>()?;
    if !is_set {
        return Ok(Some(items));
    }
    let list = PyList::new(value.py(), items)?;
    if list.sort().is_err() {
        let key = value.py().import("builtins")?.getattr("repr")?;
        list.call_method("sort", (), Some(&[("key", key)].into_py_dict(value.py())?))?;
    }
    Ok(Some(list.iter().collect()))
}

/// Times, paths, and the scalars of NumPy, torch and jax.
fn scalar(path: &str, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Param> {
    let to_text = |found: Bound<'_, PyAny>| text(&format!("param {path:?}"), &found).map(Param::Text);
    for (module, class) in [("datetime", "date"), ("datetime", "time")] {
        if is_of(value, module, class)? {
            return to_text(value.call_method0("isoformat")?);
        }
    }
    if is_of(value, "datetime", "timedelta")? {
        return to_text(value.str()?.into_any());
    }
    if value.hasattr("__fspath__")? {
        return to_text(value.call_method0("__fspath__")?);
    }
    if let (Some(dtype), Some(axes)) = (value.getattr_opt("dtype")?, value.getattr_opt("ndim")?) {
        if !axes.eq(0)? {
            return Err(not_plain(path, value));
        }
        // Of times NumPy makes an int.
        let times =
            dtype.getattr_opt("kind")?.is_some_and(|k| ["M", "m"].iter().any(|t| k.eq(t).unwrap_or(false)));
        if times {
            return to_text(value.str()?.into_any());
        }
        let item = value.call_method0("item")?;
        if !item.is(value) && !item.get_type().is(value.get_type()) {
            return param(path, &item, depth + 1);
        }
    }
    if value.hasattr("__index__")?
        && let Ok(number) = value.call_method0("__index__")
    {
        return number.extract().map(Param::Int).map_err(|_| too_large(path));
    }
    if value.hasattr("__float__")?
        && let Ok(number) = value.extract()
    {
        return Ok(Param::Float(number));
    }
    Err(not_plain(path, value))
}

/// Whether it is an instance of a class of a module that the program has imported.
fn is_of(value: &Bound<'_, PyAny>, module: &str, class: &str) -> PyResult<bool> {
    let modules = value.py().import("sys")?.getattr("modules")?;
    match modules.cast::<PyDict>()?.get_item(module)? {
        Some(module) => value.is_instance(&module.getattr(class)?),
        None => Ok(false),
    }
}

fn not_plain(path: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "param {path:?} is of type {}; give a number, text, bool, None, a time, a path, or lists and dicts of these, such as \
         str(value)",
        kind(value)
    ))
}

fn too_large(path: &str) -> PyErr {
    PyOverflowError::new_err(format!("param {path:?} is beyond 64 bits; give it as a float or as text"))
}

/// A param as a Python value.
pub(crate) fn from_param<'py>(py: Python<'py>, param: &Param) -> PyResult<Bound<'py, PyAny>> {
    Ok(match param {
        Param::Null => py.None().into_bound(py),
        Param::Bool(flag) => PyBool::new(py, *flag).to_owned().into_any(),
        Param::Int(number) => number.into_pyobject(py)?.into_any(),
        Param::Float(number) => PyFloat::new(py, *number).into_any(),
        Param::Text(text) => PyString::new(py, text).into_any(),
        Param::List(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(from_param(py, item)?)?;
            }
            list.into_any()
        }
        Param::Map(map) => from_params(py, map)?.into_any(),
        // `Param` is non-exhaustive; a kind unknown here is given as text.
        other => PyString::new(py, &other.to_string()).into_any(),
    })
}

/// Params as a dict.
pub(crate) fn from_params<'py>(py: Python<'py>, params: &Params) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in params {
        dict.set_item(key, from_param(py, value)?)?;
    }
    Ok(dict)
}

/// Labels from a mapping. Values become text, so `{"rank": 3}` is accepted.
pub(crate) fn labels(given: &Bound<'_, PyAny>) -> PyResult<Labels> {
    Labels::new(label_pairs(given)?).map_err(raise)
}

/// The pairs of a mapping of labels, not checked yet.
pub(crate) fn label_pairs(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let mapping = given.cast::<PyMapping>().map_err(|_| {
        PyTypeError::new_err(format!(
            "labels is of type {}; give a dict, such as {{\"rank\": 3}}",
            kind(given)
        ))
    })?;
    let pair = |item: Bound<'_, PyAny>| {
        let (key, value) = item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        let key = text("a label's key", &key)?;
        if value.is_none() {
            return Err(PyTypeError::new_err(format!("label {key:?} is None; leave it out")));
        }
        let value = label_text(&value)?.ok_or_else(|| {
            let kind = kind(&value);
            PyTypeError::new_err(format!(
                "label {key:?} is of type {kind}; give text, a number, a bool or an enum, or str(value)"
            ))
        })?;
        Ok((key, value))
    };
    mapping.items()?.iter().map(pair).collect()
}

/// The text of a label's value: of text, a number, a bool, an enum, or a scalar of NumPy, torch or jax; `None` for
/// anything else, whose text says more about the object than about the series.
pub(crate) fn label_text(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_instance_of::<PyString>() && !is_enum(value)? {
        return text("a label's value", value).map(Some);
    }
    if is_enum(value)?
        || value.is_instance_of::<PyBool>()
        || value.is_instance_of::<PyInt>()
        || value.is_instance_of::<PyFloat>()
    {
        return Ok(Some(value.str()?.to_str()?.to_owned()));
    }
    // A tensor of one number has the text `tensor(3)`, and its item the text `3`.
    if value.hasattr("ndim")? && value.hasattr("item")? && value.getattr("ndim")?.eq(0)? {
        let item = value.call_method0("item")?;
        return if item.hasattr("ndim")? { Ok(None) } else { label_text(&item) };
    }
    Ok(None)
}

/// Whether a value is a member of an enum.
pub(crate) fn is_enum(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.is_instance(&value.py().import("enum")?.getattr("Enum")?)
}

/// Labels as a dict.
pub(crate) fn from_labels<'py>(py: Python<'py>, labels: &Labels) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in labels.iter() {
        dict.set_item(key, value)?;
    }
    Ok(dict)
}

/// One text or several; `what` describes one in errors.
pub(crate) fn texts(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if given.is_instance_of::<PyString>() {
        return Ok(vec![text(what, given)?]);
    }
    let items = given.try_iter().map_err(|_| {
        PyTypeError::new_err(format!("{what} is of type {}; give text, or a list of texts", kind(given)))
    })?;
    items.map(|item| text(what, &item?)).collect()
}

/// One text; `what` describes it in errors.
pub(crate) fn text(what: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    match given.cast::<PyString>() {
        // Lone surrogates have no UTF-8.
        Ok(text) => text.to_str().map(str::to_owned).map_err(|_| {
            let wrong = format!("{what} is {text:?}, which is not valid Unicode");
            invalid("read text", wrong, "correct the text")
        }),
        Err(_) => Err(PyTypeError::new_err(format!("{what} is of type {}, not text", kind(given)))),
    }
}

/// The name of a value's type, for messages.
pub(crate) fn kind(value: &Bound<'_, PyAny>) -> String {
    value.get_type().fully_qualified_name().map_or_else(|_| "object".into(), |n| n.to_string())
}
