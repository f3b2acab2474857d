//! Host tools of pidone.
