//! From `DuckDB`'s names and aliases to a [`Type`].

use std::str::FromStr;

use super::Type;

/// A type's name that is none of `DuckDB`'s, or one that the reader does not convert to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown type {name:?}")]
pub struct UnknownType {
    /// The name as it was declared.
    pub name: String,
}

/// How deep lists and structs may stand in each other.
const DEPTH: usize = 32;

impl FromStr for Type {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        let mut parser = Parser { rest: name };
        parser
            .parse_type(0)
            .filter(|_| parser.rest.trim().is_empty())
            .ok_or_else(|| UnknownType { name: name.to_owned() })
    }
}

/// What is left of the name.
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn parse_type(&mut self, depth: usize) -> Option<Type> {
        if depth > DEPTH {
            return None;
        }
        let word = self.take_word()?.to_uppercase();
        let mut parsed = match word.as_str() {
            "STRUCT" | "ROW" => Type::Struct(self.parse_fields(depth)?),
            "MAP" => self.parse_map(depth)?,
            "ENUM" => Type::Enum(self.parse_values()?),
            "DECIMAL" | "NUMERIC" | "DEC" => self.parse_decimal()?,
            "TIMESTAMP" if self.take_symbol('(') => self.parse_precision()?,
            "TIMESTAMP" | "TIME" => self.parse_zone(&word)?,
            "DOUBLE" => {
                self.take_keyword("PRECISION");
                Type::Double
            }
            "CHARACTER" => {
                self.take_keyword("VARYING");
                self.parse_text()?
            }
            "VARCHAR" | "CHAR" | "BPCHAR" | "TEXT" | "STRING" | "NVARCHAR" => self.parse_text()?,
            other => parse_plain(other)?,
        };
        for _ in depth..=DEPTH {
            if !self.take_symbol('[') {
                return Some(parsed);
            }
            parsed = self.take_symbol(']').then(|| Type::List(Box::new(parsed)))?;
        }
        None
    }

    fn parse_fields(&mut self, depth: usize) -> Option<Vec<(String, Type)>> {
        let mut fields: Vec<(String, Type)> = Vec::new();
        if !self.take_symbol('(') {
            return None;
        }
        loop {
            let name = self.take_name()?;
            if fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                return None;
            }
            fields.push((name, self.parse_type(depth + 1)?));
            if self.take_symbol(')') {
                return Some(fields);
            }
            if !self.take_symbol(',') {
                return None;
            }
        }
    }

    /// `DECIMAL` alone is `DECIMAL(18,3)`, `DECIMAL(10)` is `DECIMAL(10,0)`, as in `DuckDB`.
    fn parse_decimal(&mut self) -> Option<Type> {
        if !self.take_symbol('(') {
            return Some(Type::Decimal { precision: 18, scale: 3 });
        }
        let precision = self.take_number()?;
        let scale = if self.take_symbol(',') { self.take_number()? } else { 0 };
        let sound = self.take_symbol(')') && (1..=38).contains(&precision) && scale <= precision;
        sound.then_some(Type::Decimal { precision, scale })
    }

    /// How many digits a timestamp's seconds have behind the point, as in `DuckDB`.
    fn parse_precision(&mut self) -> Option<Type> {
        let digits = self.take_number()?;
        self.take_symbol(')').then_some(match digits {
            0 => Type::TimestampS,
            1..=3 => Type::TimestampMs,
            4..=9 => Type::Timestamp,
            _ => return None,
        })
    }

    /// `TIMESTAMP` and `TIME`, with or without `WITH TIME ZONE`. A time of day with a zone has no type here.
    fn parse_zone(&mut self, word: &str) -> Option<Type> {
        let zoned = if self.take_keyword("WITH") {
            (self.take_keyword("TIME") && self.take_keyword("ZONE")).then_some(true)?
        } else if self.take_keyword("WITHOUT") {
            (self.take_keyword("TIME") && self.take_keyword("ZONE")).then_some(false)?
        } else {
            false
        };
        match (word, zoned) {
            ("TIMESTAMP", true) => Some(Type::TimestampTz),
            ("TIMESTAMP", false) => Some(Type::Timestamp),
            ("TIME", false) => Some(Type::Time),
            _ => None,
        }
    }

    /// Text, of a length where one is given.
    fn parse_text(&mut self) -> Option<Type> {
        if !self.take_symbol('(') {
            return Some(Type::Varchar);
        }
        let length = self.take_word()?.parse().ok().filter(|length| *length > 0)?;
        self.take_symbol(')').then_some(Type::Text(length))
    }

    /// `(key type, value type)`. A key is text or a number.
    fn parse_map(&mut self, depth: usize) -> Option<Type> {
        let key = self.take_symbol('(').then(|| self.parse_type(depth + 1))??;
        let value = self.take_symbol(',').then(|| self.parse_type(depth + 1))??;
        let nested = matches!(key, Type::Struct(_) | Type::List(_) | Type::Map(..) | Type::Json);
        (self.take_symbol(')') && !nested).then(|| Type::Map(Box::new(key), Box::new(value)))
    }

    /// `('one', 'other')`, each of them once.
    fn parse_values(&mut self) -> Option<Vec<String>> {
        let mut values = Vec::new();
        if !self.take_symbol('(') {
            return None;
        }
        loop {
            let value = self.take_symbol('\'').then(|| self.take_quoted('\''))??;
            if values.contains(&value) {
                return None;
            }
            values.push(value);
            if self.take_symbol(')') {
                return Some(values);
            }
            if !self.take_symbol(',') {
                return None;
            }
        }
    }

    fn take_word(&mut self) -> Option<&str> {
        let rest = self.rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// A field's name: a word, or anything in double quotes.
    fn take_name(&mut self) -> Option<String> {
        if self.take_symbol('"') { self.take_quoted('"') } else { self.take_word().map(str::to_owned) }
    }

    /// What stands up to the closing quote; doubled ones are part of it.
    fn take_quoted(&mut self, quote: char) -> Option<String> {
        let mut name = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((position, letter)) = letters.next() {
            if letter != quote {
                name.push(letter);
            } else if self.rest[position + 1..].starts_with(quote) {
                name.push(quote);
                letters.next();
            } else {
                self.rest = &self.rest[position + 1..];
                return Some(name);
            }
        }
        None
    }

    fn take_number(&mut self) -> Option<u8> {
        self.take_word()?.parse().ok()
    }

    fn take_symbol(&mut self, symbol: char) -> bool {
        self.rest.trim_start().strip_prefix(symbol).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let before = self.rest;
        let found = self.take_word().is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        if !found {
            self.rest = before;
        }
        found
    }
}

/// The names that take no parameters.
fn parse_plain(name: &str) -> Option<Type> {
    Some(match name {
        "BOOLEAN" | "BOOL" | "LOGICAL" => Type::Boolean,
        "TINYINT" | "INT1" => Type::TinyInt,
        "SMALLINT" | "INT2" | "INT16" | "SHORT" => Type::SmallInt,
        "INTEGER" | "INT" | "INT4" | "INT32" | "SIGNED" | "INTEGRAL" => Type::Integer,
        "BIGINT" | "INT8" | "INT64" | "LONG" | "OID" => Type::BigInt,
        "HUGEINT" | "INT128" => Type::HugeInt,
        "UHUGEINT" | "UINT128" => Type::UHugeInt,
        "UTINYINT" | "UINT8" => Type::UTinyInt,
        "USMALLINT" | "UINT16" => Type::USmallInt,
        "UINTEGER" | "UINT32" => Type::UInteger,
        "UBIGINT" | "UINT64" => Type::UBigInt,
        "FLOAT" | "FLOAT4" | "REAL" => Type::Float,
        "FLOAT8" => Type::Double,
        "BLOB" | "BYTEA" | "BINARY" | "VARBINARY" => Type::Blob,
        "DATE" => Type::Date,
        // All are kept in microseconds; what is finer than these is rejected, in `TIMESTAMP_NS` too.
        "DATETIME" | "TIMESTAMP_US" | "TIMESTAMP_NS" => Type::Timestamp,
        "TIMESTAMP_S" => Type::TimestampS,
        "TIMESTAMP_MS" => Type::TimestampMs,
        "INTERVAL" => Type::Interval,
        "TIMESTAMPTZ" => Type::TimestampTz,
        "JSON" => Type::Json,
        "UUID" | "GUID" => Type::Uuid,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Type {
        name.parse().unwrap()
    }

    #[test]
    fn duckdb_aliases_are_understood() {
        for (alias, name) in [
            ("int", "INTEGER"),
            ("INT4", "INTEGER"),
            ("long", "BIGINT"),
            ("String", "VARCHAR"),
            ("text", "VARCHAR"),
            ("VARCHAR(10)", "VARCHAR(10)"),
            ("character varying(3)", "VARCHAR(3)"),
            ("enum('a', 'it''s')", "ENUM('a', 'it''s')"),
            ("map(varchar, int[])[]", "MAP(VARCHAR, INTEGER[])[]"),
            ("timestamp_s", "TIMESTAMP_S"),
            ("interval", "INTERVAL"),
            ("uhugeint", "UHUGEINT"),
            ("NUMERIC(10, 2)", "DECIMAL(10,2)"),
            ("decimal", "DECIMAL(18,3)"),
            ("DECIMAL(7)", "DECIMAL(7,0)"),
            ("datetime", "TIMESTAMP"),
            ("timestamp(0)", "TIMESTAMP_S"),
            ("TIMESTAMP(3)", "TIMESTAMP_MS"),
            ("TIMESTAMP( 6 )", "TIMESTAMP"),
            ("TIMESTAMP(9)", "TIMESTAMP"),
            ("STRUCT(größe INT)", "STRUCT(\"größe\" INTEGER)"),
            ("timestamp without time zone", "TIMESTAMP"),
            ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
            ("Timestamp With Time Zone", "TIMESTAMP WITH TIME ZONE"),
            ("FLOAT8", "DOUBLE"),
            ("double precision", "DOUBLE"),
            ("real", "FLOAT"),
            ("BOOL", "BOOLEAN"),
            ("bytea", "BLOB"),
            ("integer[]", "INTEGER[]"),
            ("int[][]", "INTEGER[][]"),
            ("struct(a INT, \"b c\" VARCHAR[])[]", "STRUCT(\"a\" INTEGER, \"b c\" VARCHAR[])[]"),
            (" uuid ", "UUID"),
        ] {
            assert_eq!(parse(alias).to_string(), name, "{alias}");
            assert_eq!(parse(name), parse(alias), "{name} parses back");
        }
    }

    #[test]
    fn unknown_types_are_refused() {
        for name in [
            "",
            "INT INT",
            "ENUM()",
            "ENUM('a','a')",
            "ENUM('a",
            "MAP(INT)",
            "MAP(INT[], INT)",
            "VARCHAR(0)",
            "DECIMAL(39,0)",
            "DECIMAL(2,3)",
            "STRUCT()",
            "STRUCT(a INT, A INT)",
            "INT[",
            "TIME WITH TIME ZONE",
            "VARCHAR()",
            "TIMESTAMP(10)",
            "TIMESTAMP(3",
            "INT[3]",
            &format!("INT{}", "[]".repeat(200_000)),
        ] {
            assert_eq!(name.parse::<Type>(), Err(UnknownType { name: name.to_owned() }));
        }
        assert!("STRUCT(a ".repeat(10_000).parse::<Type>().is_err());
    }
}
