"""Makes the Parquet files beside it that Rust does not write. Needs PyPI's pyarrow; run it in this folder.

`footer.parquet` is wholly encrypted, `columns.parquet` has a footer in plain text and encrypted columns,
`checksum.parquet` has a checksum on each page.
"""

import pyarrow
import pyarrow.parquet as parquet
import pyarrow.parquet.encryption as encryption


class NoSecret(encryption.KmsClient):
    """Keeps the keys as they are: nobody is to read these files."""

    def __init__(self, configuration):
        super().__init__()

    def wrap_key(self, key_bytes, master_key_identifier):
        return key_bytes.hex()

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return bytes.fromhex(wrapped_key)


table = pyarrow.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
factory = encryption.CryptoFactory(NoSecret)
for name, plain in [("footer", False), ("columns", True)]:
    configuration = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"column": ["a"]}, plaintext_footer=plain
    )
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
    parquet.ParquetWriter(f"{name}.parquet", table.schema, encryption_properties=properties).write_table(table)
numbers = pyarrow.table({"f": [1234567890123, 2, 3]})
parquet.write_table(numbers, "checksum.parquet", write_page_checksum=True, compression="none", use_dictionary=False)
