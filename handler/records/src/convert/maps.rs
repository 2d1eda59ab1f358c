//! Maps, from JSON objects and from nested Parquet columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MapArray, NullBufferBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;

use super::cell::{Cell, Nested};
use super::characters::unquote;
use super::nested::{parse_object, take_cell_part, take_part};
use super::{Misfit, Slot, create_slot};
use crate::object::find_duplicate;
use crate::types::Type;

pub(super) struct MapSlot {
    keys: Box<dyn Slot>,
    /// The keys of the map at hand, by themselves.
    latest: Box<dyn Slot>,
    values: Box<dyn Slot>,
    types: (Type, Type),
    entries: FieldRef,
    offsets: Vec<i32>,
    validity: NullBufferBuilder,
}

impl MapSlot {
    pub(super) fn new(key: &Type, value: &Type) -> Result<Self, String> {
        Ok(Self {
            keys: create_slot(key, None)?,
            latest: create_slot(key, None)?,
            values: create_slot(value, None)?,
            types: (key.clone(), value.clone()),
            entries: Type::entries_field(key, value),
            offsets: vec![0],
            validity: NullBufferBuilder::new(1024),
        })
    }

    /// Ends a map; keys and values are brought level first, for one of them may have failed.
    fn close(&mut self, valid: bool) {
        let length = self.keys.length().max(self.values.length());
        for slot in [&mut self.keys, &mut self.values] {
            while slot.length() < length {
                slot.skip();
            }
        }
        self.offsets.push(i32::try_from(length).unwrap_or(i32::MAX));
        self.validity.append(valid);
    }

    fn take_key(&mut self, text: &str) -> Result<(), Misfit> {
        let taken = self.keys.take_text(text).and_then(|()| self.latest.take_text(text));
        taken.map_err(|misfit| Misfit::Because(misfit.explain(&format!("the key {text:?}"), &self.types.0)))
    }

    fn take_key_cell(&mut self, key: &Cell<'_>) -> Result<(), Misfit> {
        if matches!(key, Cell::Null) {
            return Err(Misfit::Because("a key is NULL".to_owned()));
        }
        take_cell_part(&mut *self.keys, &self.types.0, key)?;
        take_cell_part(&mut *self.latest, &self.types.0, key)
    }

    /// Ends a map whose keys are of different values, however they are written.
    fn close_distinct(&mut self) -> Result<(), Misfit> {
        let keys = self.latest.finish().map_err(|error| Misfit::Because(error.to_string()))?;
        let shown: Vec<String> = (0..keys.len()).map(|row| Cell::new(keys.as_ref(), row).show()).collect();
        if let Some(key) = find_duplicate(&shown) {
            return Err(Misfit::Because(format!("the key {key} stands twice")));
        }
        self.close(true);
        Ok(())
    }
}

impl Slot for MapSlot {
    fn skip(&mut self) {
        if self.latest.length() > 0 {
            drop(self.latest.finish());
        }
        self.close(false);
    }

    fn length(&self) -> usize {
        self.validity.len()
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        self.take_text(&unquote(json)?)
    }

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        for (key, value) in &parse_object(text)?.0 {
            self.take_key(key)?;
            take_part(&mut *self.values, &self.types.1, value)?;
        }
        self.close_distinct()
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Nested(Nested::Map(entries)) = cell else { return Err(Misfit::Type) };
        for row in 0..entries.len() {
            let (key, value) = (Cell::new(entries.column(0), row), Cell::new(entries.column(1), row));
            self.take_key_cell(&key)?;
            take_cell_part(&mut *self.values, &self.types.1, &value)?;
        }
        self.close_distinct()
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let (keys, values) = (self.keys.finish()?, self.values.finish()?);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let DataType::Struct(fields) = self.entries.data_type() else {
            return Err(ArrowError::SchemaError("a map without entries".to_owned()));
        };
        // The key of a map that failed may be missing; such a map is NULL, and what it holds is never looked at.
        let keys = fill_keys(&keys)?;
        let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
        let map = MapArray::try_new(Arc::clone(&self.entries), offsets, entries, self.validity.finish(), false)?;
        Ok(Arc::new(map))
    }
}

/// Keys without NULLs.
fn fill_keys(keys: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = keys.to_data().into_builder().nulls(None).build()?;
    Ok(arrow::array::make_array(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::shown_values;

    #[test]
    fn a_map_has_each_key_once() {
        let mut slot = MapSlot::new(&Type::BigInt, &Type::Varchar).unwrap();
        let values = [
            r#"{"1":"x","2":null}"#,
            r#"{"a":"x"}"#,
            r#"{"1":"x","1":"y"}"#,
            r#"{"1":"x","01":"y"}"#,
            "[]",
            r#"{"3":4}"#,
            "{}",
        ];
        let results: Vec<bool> =
            values.iter().map(|value| slot.take_json(value).inspect_err(|_| slot.skip()).is_ok()).collect();
        assert_eq!(results, [true, false, false, false, false, true, true]);
        let array = slot.finish().unwrap();
        assert_eq!(shown_values(&array), ["{1: x, 2: }", "", "", "", "", "{3: 4}", "{}"]);
    }
}
