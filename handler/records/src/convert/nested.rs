//! Lists and structs, from JSON text (CSV has nothing else to write them with) and from nested Parquet columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, NullBufferBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{FieldRef, Fields};
use arrow::error::ArrowError;
use serde_json::value::RawValue;

use super::cell::{Cell, Nested};
use super::characters::unquote;
use super::{Misfit, Slot, create_slot};
use crate::object::{Object, check_json};
use crate::types::Type;

fn explain_json(error: &serde_json::Error) -> Misfit {
    Misfit::Because(error.to_string())
}

/// Appends to a part of a nested value; what is wrong there is wrong with the whole.
pub(super) fn take_part(slot: &mut dyn Slot, data_type: &Type, json: &str) -> Result<(), Misfit> {
    if json == "null" {
        slot.skip();
        return Ok(());
    }
    slot.take_json(json).map_err(|misfit| Misfit::Because(misfit.explain(json, data_type)))
}

/// A JSON object without a key that stands twice.
pub(super) fn parse_object(json: &str) -> Result<Object<'_>, Misfit> {
    let object = Object::parse(json).map_err(Misfit::Because)?;
    match object.find_duplicate() {
        Some(key) => Err(Misfit::Because(format!("the key {key:?} stands twice"))),
        None => Ok(object),
    }
}

pub(super) fn take_cell_part(slot: &mut dyn Slot, data_type: &Type, cell: &Cell<'_>) -> Result<(), Misfit> {
    if matches!(cell, Cell::Null) {
        slot.skip();
        return Ok(());
    }
    slot.take_cell(cell).map_err(|misfit| Misfit::Because(misfit.explain(&cell.show(), data_type)))
}

pub(super) struct ListSlot {
    element: Box<dyn Slot>,
    data_type: Type,
    field: FieldRef,
    offsets: Vec<i32>,
    validity: NullBufferBuilder,
}

impl ListSlot {
    pub(super) fn new(element: &Type) -> Result<Self, String> {
        let slot = create_slot(element, None)?;
        Ok(Self {
            element: slot,
            data_type: element.clone(),
            field: Type::element_field(element),
            offsets: vec![0],
            validity: NullBufferBuilder::new(1024),
        })
    }

    fn close(&mut self, valid: bool) {
        self.offsets.push(i32::try_from(self.element.length()).unwrap_or(i32::MAX));
        self.validity.append(valid);
    }

    /// Brings the elements level with themselves after one failed: it needs its slot too.
    fn settle(&mut self, result: Result<(), Misfit>) -> Result<(), Misfit> {
        result.inspect_err(|_| self.element.skip())
    }
}

impl Slot for ListSlot {
    fn skip(&mut self) {
        self.close(false);
    }

    fn length(&self) -> usize {
        self.validity.len()
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        self.take_text(&unquote(json)?)
    }

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        // What splits it looks into no string.
        check_json(text).map_err(Misfit::Because)?;
        let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| explain_json(&error))?;
        for element in elements {
            let result = take_part(&mut *self.element, &self.data_type, element.get());
            self.settle(result)?;
        }
        self.close(true);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Nested(Nested::List(elements)) = cell else { return Err(Misfit::Type) };
        for row in 0..elements.len() {
            let cell = Cell::new(elements.as_ref(), row);
            let result = take_cell_part(&mut *self.element, &self.data_type, &cell);
            self.settle(result)?;
        }
        self.close(true);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let array =
            ListArray::try_new(Arc::clone(&self.field), offsets, self.element.finish()?, self.validity.finish())?;
        Ok(Arc::new(array))
    }
}

pub(super) struct StructSlot {
    parts: Vec<Part>,
    fields: Fields,
    validity: NullBufferBuilder,
}

struct Part {
    name: String,
    data_type: Type,
    slot: Box<dyn Slot>,
}

impl StructSlot {
    pub(super) fn new(fields: &[(String, Type)]) -> Result<Self, String> {
        let part = |(name, data_type): &(String, Type)| {
            Ok::<_, String>(Part {
                name: name.clone(),
                data_type: data_type.clone(),
                slot: create_slot(data_type, None)?,
            })
        };
        let parts = fields.iter().map(part).collect::<Result<_, _>>()?;
        Ok(Self { parts, fields: Type::struct_fields(fields), validity: NullBufferBuilder::new(1024) })
    }

    /// Brings every part to the same length with a NULL where it has no value, and closes the struct.
    fn close(&mut self, valid: bool) {
        let length = self.validity.len() + 1;
        for part in &mut self.parts {
            while part.slot.length() < length {
                part.slot.skip();
            }
        }
        self.validity.append(valid);
    }

    fn find(&mut self, name: &str) -> Result<&mut Part, Misfit> {
        let part = self.parts.iter_mut().find(|part| part.name == name);
        part.ok_or_else(|| Misfit::Because(format!("it has no field {name:?}")))
    }
}

impl Slot for StructSlot {
    fn skip(&mut self) {
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
            let part = self.find(key)?;
            take_part(&mut *part.slot, &part.data_type, value)?;
        }
        self.close(true);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Nested(Nested::Struct(array, row)) = cell else { return Err(Misfit::Type) };
        for (field, values) in array.fields().iter().zip(array.columns()) {
            let part = self.find(field.name())?;
            take_cell_part(&mut *part.slot, &part.data_type, &Cell::new(values, *row))?;
        }
        self.close(true);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let arrays = self.parts.iter_mut().map(|part| part.slot.finish()).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StructArray::try_new(self.fields.clone(), arrays, self.validity.finish())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::shown_values;

    fn convert(name: &str, values: &[&str]) -> (Vec<Result<(), Misfit>>, ArrayRef) {
        let mut slot = create_slot(&name.parse().unwrap(), None).unwrap();
        let results = values.iter().map(|value| slot.take_json(value).inspect_err(|_| slot.skip())).collect();
        (results, slot.finish().unwrap())
    }

    #[test]
    fn a_list_has_elements_of_its_type() {
        let (results, array) = convert("INTEGER[]", &["[1, null, 3]", "[]", "[1,\"x\",3]", "{}", "[4]"]);
        assert_eq!(results[2], Err(Misfit::Because("\"x\" is not INTEGER".to_owned())));
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false, true]);
        assert_eq!(array.len(), 5);
        assert_eq!(array.null_count(), 2);
    }

    #[test]
    fn a_text_is_the_json_itself() {
        for (data_type, sound, others) in [
            ("INTEGER[]", "[1,2]", ["\"[1,2]x", "\"[1,2]\"", "[1,2]x"]),
            ("STRUCT(a INTEGER)", "{\"a\":1}", ["\"{\"a\":1}\"", "\"{\"a\":1}!", "\"{\\\"a\\\":1}\""]),
            ("MAP(VARCHAR, INTEGER)", "{\"x\":1}", ["\"{\"x\":1}!", "\"{\"x\":1}\"", "\""]),
        ] {
            let mut slot = create_slot(&data_type.parse().unwrap(), None).unwrap();
            assert_eq!(slot.take_text(sound), Ok(()));
            for text in others {
                assert!(slot.take_text(text).is_err(), "{data_type} {text}");
            }
        }
    }

    #[test]
    fn values_of_each_type_stand_in_lists_structs_and_maps() {
        for (data_type, value, text) in [
            ("BOOLEAN", "true", "true"),
            ("TINYINT", "-1", "-1"),
            ("UBIGINT", "18446744073709551615", "18446744073709551615"),
            ("HUGEINT", "1e2", "100"),
            ("DECIMAL(4,2)", "1.5", "1.50"),
            ("FLOAT", "0.5", "0.5"),
            ("DOUBLE", "0.5", "0.5"),
            ("VARCHAR", "\"x\"", "x"),
            ("VARCHAR(2)", "\"ab\"", "ab"),
            ("ENUM('a','b')", "\"b\"", "b"),
            ("BLOB", "\"ab\"", "6162"),
            ("JSON", "{\"a\": 1}", "{\"a\": 1}"),
            ("UUID", "\"123E4567-e89b-12d3-a456-426614174000\"", "123e4567-e89b-12d3-a456-426614174000"),
            ("DATE", "\"2024-02-29\"", "2024-02-29"),
            ("TIME", "\"12:30\"", "12:30:00"),
            ("TIMESTAMP", "\"2024-02-29 12:30:00\"", "2024-02-29T12:30:00"),
            ("TIMESTAMP_S", "\"2024-02-29 12:30:00\"", "2024-02-29T12:30:00"),
            ("INTERVAL", "\"P1D\"", "1 days"),
            ("INTEGER[]", "[1]", "[1]"),
            ("STRUCT(a INTEGER)", "{\"a\":1}", "{a: 1}"),
            ("MAP(VARCHAR, INTEGER)", "{\"k\":1}", "{k: 1}"),
        ] {
            let lists = [format!("[{value}]"), "[]".to_owned(), "7".to_owned(), format!("[null,{value},{value}]")];
            let (results, array) = convert(&format!("{data_type}[]"), &lists.each_ref().map(String::as_str));
            assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true], "{data_type}");
            assert_eq!(
                shown_values(&array),
                [format!("[{text}]"), "[]".into(), String::new(), format!("[, {text}, {text}]")]
            );
            let structs = [
                format!("{{\"v\":{value}}}"),
                "{}".into(),
                format!("{{\"v\":{value},\"w\":1}}"),
                "{\"v\":null}".into(),
            ];
            let (_, array) = convert(&format!("STRUCT(v {data_type})"), &structs.each_ref().map(String::as_str));
            assert_eq!(shown_values(&array), [format!("{{v: {text}}}"), "{v: }".into(), String::new(), "{v: }".into()]);
            let (_, array) =
                convert(&format!("MAP(VARCHAR, {data_type})"), &structs.each_ref().map(String::as_str)[..2]);
            assert_eq!(shown_values(&array), [format!("{{v: {text}}}"), "{}".into()]);
        }
    }

    #[test]
    fn a_part_that_fails_leaves_the_others_where_they_are() {
        let (results, array) = convert(
            "STRUCT(a INTEGER, b INTEGER)[]",
            &[r#"[{"a":1,"b":2},{"a":3,"b":"x"},{"a":5}]"#, r#"[{"b":6}]"#, r#""[{\"a\":7}]""#, "[1]", "[[]]"],
        );
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, true, false, false]);
        assert_eq!(shown_values(&array), ["", "[{a: , b: 6}]", "[{a: 7, b: }]", "", ""]);
        let (results, array) =
            convert("MAP(INTEGER, INTEGER)", &[r#"{"1":2,"x":3}"#, r#"{"1":5}"#, r#"{"6":"y"}"#, r#"{"6":8}"#]);
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false, true]);
        assert_eq!(shown_values(&array), ["", "{1: 5}", "", "{6: 8}"]);
    }

    #[test]
    fn a_list_of_json_has_nothing_that_is_none() {
        let values = [r#"["é", {"a":["\u00e9"]}]"#, r#"["\ud800"]"#, r#"[{"a":"\udc00"}]"#, r#""[\"\\ud800\"]""#];
        let (results, _) = convert("JSON[]", &values);
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false], "{results:?}");
    }

    #[test]
    fn a_struct_has_no_other_keys() {
        let (results, array) = convert(
            "STRUCT(a INTEGER, b VARCHAR[])",
            &[
                r#"{"a":1,"b":["x"]}"#,
                r#"{"b":null}"#,
                r#"{"a":1,"c":2}"#,
                r#"{"a":1,"a":2}"#,
                r#"{"a":"y"}"#,
                "[]",
                "{}",
            ],
        );
        assert_eq!(
            results.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, true, false, false, false, false, true]
        );
        assert_eq!(results[2], Err(Misfit::Because("it has no field \"c\"".to_owned())));
        assert_eq!(array.len(), 7);
        assert_eq!(array.null_count(), 4);
    }
}
