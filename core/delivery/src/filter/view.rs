//! `event`, as filters see it: attributes by name, and `data` once it is asked for.

use std::sync::OnceLock;

use cel::{
    ExecutionError,
    common::{
        traits::{Container, Indexer},
        types::{CelBool, CelInt, CelString, MAP_TYPE, Type},
        value::{CowVal, Val},
    },
};
use workmanager_core_domain::{Event, event::AttributeValue};

use super::{
    cost::Size,
    data::{self, Tree},
    error::EvaluationError,
};

/// One event as the filters of all workers read it: its data is parsed at most once.
#[derive(Debug)]
pub struct Input<'e> {
    event: &'e Event,
    data: OnceLock<Option<Result<Tree<'e>, String>>>,
}

impl<'e> Input<'e> {
    /// Nothing is parsed yet.
    #[must_use]
    pub const fn new(event: &'e Event) -> Self {
        Self { event, data: OnceLock::new() }
    }

    pub(super) fn data(&self) -> Option<&Result<Tree<'e>, String>> {
        self.data.get_or_init(|| data::read(self.event.data())).as_ref()
    }

    /// How much there is to look at.
    pub(super) fn size(&self) -> Result<Size, EvaluationError> {
        let values = match self.data() {
            None => 0,
            Some(Ok(tree)) => tree.values,
            Some(Err(message)) => return Err(EvaluationError::new(message)),
        };
        Ok(Size { bytes: self.event.size() as u64, values: values as u64 })
    }

    fn member(&self, name: &str) -> Result<CowVal<'_, 'e>, ExecutionError> {
        if name == "data" {
            return match self.data() {
                None => Err(ExecutionError::no_such_key(name)),
                Some(Ok(tree)) => Ok(CowVal::Borrowed(&*tree.root)),
                Some(Err(message)) => Err(ExecutionError::function_error("data", message)),
            };
        }
        match self.event.attribute(name) {
            Some(AttributeValue::String(text)) => Ok(CowVal::owned(CelString::from(&**text))),
            Some(AttributeValue::Integer(number)) => Ok(CowVal::owned(CelInt::from(i64::from(*number)))),
            Some(AttributeValue::Boolean(value)) => Ok(CowVal::owned(CelBool::from(*value))),
            None if name == "specversion" => Ok(CowVal::owned(CelString::from("1.0"))),
            None => Err(ExecutionError::no_such_key(name)),
        }
    }
}

/// The value of `event`.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'s, 'e>(pub(super) &'s Input<'e>);

fn name(index: &dyn Val) -> Result<&str, ExecutionError> {
    index.downcast_ref::<CelString>().map(CelString::inner).ok_or_else(|| ExecutionError::UnexpectedType {
        got: index.get_type().name().to_owned(),
        want: "string".to_owned(),
    })
}

impl Val for View<'_, '_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Container for View<'_, '_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        match self.0.member(name(value)?) {
            Ok(_) => Ok(true),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Indexer for View<'_, '_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.0.member(name(index)?)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.0.member(name(index)?).map(CowVal::into_owned)
    }
}
