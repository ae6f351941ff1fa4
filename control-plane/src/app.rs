//! The use cases, shared by every API.
