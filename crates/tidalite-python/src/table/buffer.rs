//! Python's buffer protocol over the values of an Arrow array, without a copy. The package has no other `unsafe`
//! code, but for the method of `column.rs` that calls this.

#![allow(unsafe_code, reason = "the buffer protocol is one of raw pointers")]

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_int, c_long, c_void};

/// The bytes of a value.
const WIDTH: isize = 8;

/// The format of an int64: the type that NumPy calls so as well, where several have its width.
pub(super) const INT64: &CStr = if size_of::<c_long>() == WIDTH as usize { c"l" } else { c"q" };

/// The shape and the stride of a buffer of one dimension. Views point to them, so they live where the values' owner does.
pub(super) struct BufferShape {
    shape: [isize; 1],
    strides: [isize; 1],
}

impl BufferShape {
    pub(super) fn new(values: usize) -> BufferShape {
        let values = isize::try_from(values).expect("no allocation is longer");
        BufferShape { shape: [values], strides: [WIDTH] }
    }
}

/// Fills a view of values of 8 bytes, in the format of the module `struct`.
///
/// # Safety
/// `view` is null, or valid for writing. `values` and `shape` are `owner`'s: they neither move nor change while `owner` exists.
pub(super) unsafe fn fill<T>(
    view: *mut ffi::Py_buffer,
    flags: c_int,
    format: &'static CStr,
    values: &[T],
    shape: &BufferShape,
    owner: &Bound<'_, PyAny>,
) -> PyResult<()> {
    const { assert!(size_of::<T>() == WIDTH as usize) };
    if view.is_null() {
        return Err(PyBufferError::new_err("no view was given to fill"));
    }
    if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
        return Err(PyBufferError::new_err(
            "a column cannot be changed; copy it, by to_numpy() or array.array",
        ));
    }
    let asked = |flag: c_int| flags & flag == flag;
    let filled = ffi::Py_buffer {
        buf: values.as_ptr().cast::<c_void>().cast_mut(),
        obj: owner.clone().into_ptr(),
        len: shape.shape[0] * WIDTH,
        itemsize: WIDTH,
        readonly: 1,
        ndim: 1,
        format: if asked(ffi::PyBUF_FORMAT) { format.as_ptr().cast_mut() } else { std::ptr::null_mut() },
        shape: if asked(ffi::PyBUF_ND) { shape.shape.as_ptr().cast_mut() } else { std::ptr::null_mut() },
        strides: if asked(ffi::PyBUF_STRIDES) {
            shape.strides.as_ptr().cast_mut()
        } else {
            std::ptr::null_mut()
        },
        suboffsets: std::ptr::null_mut(),
        internal: std::ptr::null_mut(),
    };
    // SAFETY: the view is valid for writing. What it points to lives as long as `obj`, and nobody may write to it, since it
    // says that it is read-only.
    unsafe { view.write(filled) };
    Ok(())
}
