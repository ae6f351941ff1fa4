//! From the bus to the functions and back.
