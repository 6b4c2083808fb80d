"""What programs import: `magbroker.client`, `.rpc_pack`, `.gateway` and `.testing`. Everything else may move."""
