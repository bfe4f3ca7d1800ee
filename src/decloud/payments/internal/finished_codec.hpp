#pragma once

#include "codec.hpp"
#include "records.hpp"

#include <decloud/base/result.hpp>

namespace decloud::payments::internal {

/// Encodes a finished call short: numbers take as many bytes as they need, and what is as in
/// `previous` (null: the first of its log or batch) is left out. The format of
/// RecordType::finished_short and of receipts in the checkpoint file.
void encode_short(Encoder& out, const FinishedRecord& record, const FinishedRecord* previous);

/// Reads what `encode_short` wrote beside the same `previous`. Error: StoreError::damaged.
[[nodiscard]] Result<FinishedRecord> decode_short(BytesView data, const FinishedRecord* previous);

}  // namespace decloud::payments::internal
