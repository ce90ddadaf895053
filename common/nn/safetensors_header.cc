#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/safetensors.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";

std::optional<WeightType> TypeOf(const std::string& dtype) {
  if (dtype == "F32") return WeightType::kF32;
  if (dtype == "BF16") return WeightType::kBf16;
  if (dtype == "F16") return WeightType::kF16;
  return std::nullopt;
}

// Takes the header's events in order: {name: {dtype, shape, data_offsets}},
// plus {__metadata__: {text: text}}. A position in that grammar is `depth_` and
// `field_`; whatever the grammar has no place for is an error, so depth is
// bounded by construction.
class HeaderHandler : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderHandler(SafetensorsHeader& header) : header_(header) {}

  const std::string& error() const { return error_; }

  bool null() override { return Fail("null is not expected"); }
  bool boolean(bool) override { return Fail("a boolean is not expected"); }
  bool number_integer(number_integer_t) override {
    return Fail("expected a non-negative integer");
  }
  bool number_float(number_float_t, const string_t&) override {
    return Fail("expected a plain integer of 64 bits");
  }
  bool binary(binary_t&) override { return Fail("binary is not expected"); }
  bool number_unsigned(number_unsigned_t value) override;
  bool string(string_t& value) override;
  bool start_object(std::size_t) override;
  bool key(string_t& value) override;
  bool end_object() override;
  bool start_array(std::size_t) override;
  bool end_array() override;
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("not valid JSON at byte ", position));
  }

 private:
  enum class Field { kNone, kDtype, kShape, kOffsets };

  bool Fail(const std::string& what) {
    const std::string place =
        name_.empty()
            ? ""
            : absl::StrCat("tensor=", name_, " field=", field_name_, ", ");
    error_ = absl::StrCat(place, what);
    return false;
  }
  bool StartTensor(const std::string& name);
  bool StartField(const std::string& field);
  bool FinishTensor();

  SafetensorsHeader& header_;
  std::string error_;
  int depth_ = 0;  // open objects
  bool in_array_ = false;
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
  std::string name_;        // of the open tensor
  std::string field_name_;  // its open field, or the metadata's open key
  Field field_ = Field::kNone;
  bool has_dtype_ = false;
  std::optional<std::vector<int64_t>> shape_;
  std::optional<std::vector<uint64_t>> offsets_;
  WeightType type_ = WeightType::kF32;
};

bool HeaderHandler::number_unsigned(number_unsigned_t value) {
  if (!in_array_) return Fail("a number is not expected");
  if (field_ == Field::kOffsets) {
    if (offsets_->size() == 2) return Fail("expected two offsets");
    offsets_->push_back(value);
    return true;
  }
  if (shape_->size() == kMaxSafetensorsRank) {
    return Fail(absl::StrCat("rank is over ", kMaxSafetensorsRank));
  }
  if (value > uint64_t{INT64_MAX}) return Fail("a size is over 2^63 - 1");
  shape_->push_back(static_cast<int64_t>(value));
  return true;
}

bool HeaderHandler::string(string_t& value) {
  if (in_metadata_ && depth_ == 2) {
    if (!header_.metadata.emplace(field_name_, value).second) {
      return Fail("duplicate metadata key");
    }
    return true;
  }
  if (field_ != Field::kDtype || in_array_) {
    return Fail("a text is not expected");
  }
  const std::optional<WeightType> type = TypeOf(value);
  if (!type.has_value()) return Fail("expected F32, F16 or BF16");
  type_ = *type;
  has_dtype_ = true;
  return true;
}

bool HeaderHandler::start_object(std::size_t) {
  const bool has_place =
      !in_array_ && (depth_ == 0 || (depth_ == 1 && field_ == Field::kNone));
  if (!has_place) return Fail("an object is not expected");
  ++depth_;
  return true;
}

bool HeaderHandler::key(string_t& value) {
  if (value.size() > kMaxSafetensorsName) {
    return Fail(absl::StrCat("a name is over ", kMaxSafetensorsName, " bytes"));
  }
  if (depth_ == 1) return StartTensor(value);
  if (in_metadata_) {
    field_name_ = value;
    return true;
  }
  return StartField(value);
}

bool HeaderHandler::StartTensor(const std::string& name) {
  if (name == kMetadataKey) {
    if (metadata_seen_) return Fail("duplicate __metadata__");
    in_metadata_ = metadata_seen_ = true;
    return true;
  }
  if (header_.tensors.size() == kMaxSafetensorsTensors) {
    return Fail(absl::StrCat("more than ", kMaxSafetensorsTensors, " tensors"));
  }
  if (name.empty()) return Fail("a tensor has an empty name");
  name_ = name;
  return true;
}

bool HeaderHandler::StartField(const std::string& field) {
  field_name_ = field;
  if (field == "dtype" && !has_dtype_) {
    field_ = Field::kDtype;
  } else if (field == "shape" && !shape_.has_value()) {
    field_ = Field::kShape;
  } else if (field == "data_offsets" && !offsets_.has_value()) {
    field_ = Field::kOffsets;
  } else {
    return Fail("unknown or duplicate field");
  }
  return true;
}

bool HeaderHandler::start_array(std::size_t) {
  const bool has_place = depth_ == 2 && !in_array_ && !in_metadata_;
  if (has_place && field_ == Field::kShape) {
    shape_.emplace();
  } else if (has_place && field_ == Field::kOffsets) {
    offsets_.emplace();
  } else {
    return Fail("a list is not expected");
  }
  in_array_ = true;
  return true;
}

bool HeaderHandler::end_array() {
  in_array_ = false;
  return true;
}

bool HeaderHandler::end_object() {
  --depth_;
  if (depth_ != 1) return true;
  if (!in_metadata_) return FinishTensor();
  in_metadata_ = false;
  field_name_.clear();
  return true;
}

bool HeaderHandler::FinishTensor() {
  if (!has_dtype_ || !shape_.has_value() || !offsets_.has_value() ||
      offsets_->size() != 2) {
    return Fail("expected dtype, shape and two data_offsets");
  }
  const uint64_t begin = (*offsets_)[0];
  const uint64_t end = (*offsets_)[1];
  if (end < begin) return Fail("data_offsets run backwards");
  uint64_t bytes = SizeOf(type_);
  for (const int64_t size : *shape_) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) {
      return Fail("shape overflows 64 bits");
    }
  }
  if (bytes != end - begin) {
    return Fail(absl::StrCat("data_offsets span ", end - begin,
                             " bytes, shape and dtype need ", bytes));
  }
  header_.tensors.push_back({name_, type_, *std::move(shape_), begin, bytes});
  name_.clear();
  field_name_.clear();
  field_ = Field::kNone;
  has_dtype_ = false;
  shape_.reset();
  offsets_.reset();
  return true;
}

// Sorted by offset, tensors must follow each other from 0 to `data_bytes`.
std::string CheckLayout(std::vector<WeightTensor>& tensors,
                        uint64_t data_bytes) {
  std::sort(tensors.begin(), tensors.end(),
            [](const WeightTensor& a, const WeightTensor& b) {
              return std::pair(a.offset, a.bytes) <
                     std::pair(b.offset, b.bytes);
            });
  uint64_t next = 0;
  for (const WeightTensor& tensor : tensors) {
    if (tensor.offset != next) {
      return absl::StrCat("tensor=", tensor.name,
                          " field=data_offsets, starts at ", tensor.offset,
                          " where ", next, " is due (",
                          tensor.offset < next ? "overlap" : "hole", ")");
    }
    next = tensor.offset + tensor.bytes;  // both checked to be below 2^64
  }
  if (next == data_bytes) return "";
  return absl::StrCat("tensors cover ", next, " bytes, the file has ",
                      data_bytes);
}

std::string CheckNamesAreUnique(const std::vector<WeightTensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const WeightTensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin == names.end()) return "";
  return absl::StrCat("tensor=", std::string(*twin), ", appears twice");
}

std::string ParseInto(std::string_view json, uint64_t data_bytes,
                      SafetensorsHeader& header) {
  if (json.empty() || json[0] != '{') return "header does not start with '{'";
  // The JSON parser takes a NUL for the end of its input.
  const size_t nul = json.find('\0');
  if (nul != json.npos) return absl::StrCat("not valid JSON at byte ", nul);
  HeaderHandler handler(header);
  if (!Json::sax_parse(json.begin(), json.end(), &handler)) {
    return handler.error();
  }
  std::string error = CheckNamesAreUnique(header.tensors);
  if (error.empty()) error = CheckLayout(header.tensors, data_bytes);
  return error;
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(
    std::string_view json, uint64_t data_bytes, std::string_view file) {
  SafetensorsHeader header;
  const std::string error = ParseInto(json, data_bytes, header);
  if (error.empty()) return header;
  return absl::DataLossError(
      absl::StrCat("safetensors file is malformed: file=", std::string(file),
                   " ", error, "; fetch or write the file again"));
}

}  // namespace operant
