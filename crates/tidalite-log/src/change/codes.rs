//! The codes of changes, params and assignments.

pub(super) const START: u8 = 1;
pub(super) const EDIT: u8 = 2;
pub(super) const END: u8 = 3;
pub(super) const REWIND: u8 = 4;
pub(super) const DELETE: u8 = 5;
pub(super) const WITHDRAW: u8 = 6;

pub(super) const KEEP: u8 = 0;
pub(super) const CLEAR: u8 = 1;
pub(super) const SET: u8 = 2;

pub(super) const NULL: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const TRUE: u8 = 3;
pub(super) const INT: u8 = 4;
pub(super) const FLOAT: u8 = 5;
pub(super) const TEXT: u8 = 6;
pub(super) const LIST: u8 = 7;
pub(super) const MAP: u8 = 8;
