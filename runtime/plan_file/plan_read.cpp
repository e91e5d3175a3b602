// From bytes to a PlanFile: the hash first, then every field against what is left.
// In/out: see plan_file.h.
// Not here: the writer (plan_write.cpp), which puts the same fields in the same order.
//
// The hash finds accidents. A file made to mislead has a right hash, so nothing here relies on it: no count is believed
// before the bytes for it are there, and what was read must be a whole, valid graph.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include "packs/format/sha256.h"
#include "runtime/plan_file/plan_file.h"
#include "runtime/plan_file/plan_layout.h"

namespace octile::runtime {
namespace {

using Bytes = std::span<const uint8_t>;

// Reads fields until the first that is not there; from then on everything is empty and the complaint stays.
class Reader {
 public:
  // `description` follows the header; blobs lie in `all` behind it.
  Reader(Bytes all, size_t description)
      : all_(all), rest_(all.subspan(kHeaderSize, description)), blob_end_(kHeaderSize + description) {}

  template <class T>
  void number(T& value) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    value = T{};
    if (const uint8_t* from = take(sizeof value)) std::memcpy(&value, from, sizeof value);
  }
  void flag(bool& value) {
    uint8_t byte = 0;
    number(byte);
    value = byte != 0;
    if (byte > 1) fail("a flag is neither 0 nor 1");
  }
  void text(std::string& value) {
    const uint32_t size = count(1);
    const uint8_t* from = take(size);
    value.assign(reinterpret_cast<const char*>(from), from == nullptr ? 0 : size);
  }
  template <class T>
  void list(std::vector<T>& values) {
    const uint32_t size = count(sizeof(T));
    const uint8_t* from = take(size * sizeof(T));
    values.resize(from == nullptr ? 0 : size);
    if (!values.empty()) std::memcpy(values.data(), from, size * sizeof(T));
  }
  void blob(std::vector<uint8_t>& bytes) {
    uint64_t size = 0;
    number(size);
    const uint64_t begin = align_blob(blob_end_), limit = all_.size() - kDigestSize;
    if (!ok()) return;
    if (begin > limit || size > limit - begin) return fail("a blob ends behind the file");
    if (!zeros(blob_end_, begin)) return fail("there are stray bytes before a blob");
    const Bytes from = all_.subspan(begin, size);
    bytes.assign(from.begin(), from.end());
    blob_end_ = begin + size;
  }
  // How many elements follow, each of at least `size` bytes.
  [[nodiscard]] uint32_t count(size_t size) {
    uint32_t n = 0;
    number(n);
    if (ok() && n > rest_.size() / size) fail("a list is longer than the file");
    return ok() ? n : 0;
  }
  // Everything was read, nothing is left over.
  void finish() {
    if (ok() && !rest_.empty()) fail("the description has bytes that mean nothing");
    if (ok() && blob_end_ != all_.size() - kDigestSize) fail("there are bytes behind the last blob");
  }

  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
    rest_ = {};
  }
  [[nodiscard]] bool ok() const { return error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  const uint8_t* take(size_t size) {
    if (size > rest_.size()) fail("the description ends inside a field");
    if (!ok()) return nullptr;
    const uint8_t* from = rest_.data();
    rest_ = rest_.subspan(size);
    return from;
  }
  [[nodiscard]] bool zeros(size_t begin, size_t end) const {
    const Bytes gap = all_.subspan(begin, end - begin);
    return std::all_of(gap.begin(), gap.end(), [](uint8_t b) { return b == 0; });
  }

  Bytes all_, rest_;
  size_t blob_end_;
  std::string error_;
};

void get_type(Reader& r, DType& type) {
  std::string name;
  r.text(name);
  for (const DType t : {DType::u8, DType::s8, DType::s32, DType::f32}) {
    if (name != to_string(t)) continue;
    type = t;
    return;
  }
  r.fail("unknown type '" + name + "'");
}

void get_kind(Reader& r, NodeKind& kind) {
  std::string name;
  r.text(name);
  for (int i = 0; i < kNodeKinds; ++i) {
    if (name != to_string(static_cast<NodeKind>(i))) continue;
    kind = static_cast<NodeKind>(i);
    return;
  }
  r.fail("unknown kind of node '" + name + "'");
}

void get_value(Reader& r, ValueDesc& value) {
  auto& [name, type, scale, zp, constant, dims, data] = value;
  r.text(name);
  get_type(r, type);
  r.number(scale);
  r.number(zp);
  r.flag(constant);
  r.list(dims);
  r.blob(data);
  // The number of elements is asked for before anything else checks the extents: it must not overflow.
  int64_t elements = 1;
  for (const int64_t d : dims) {
    if (d < 0 || __builtin_mul_overflow(elements, std::max<int64_t>(d, 1), &elements) || elements > INT32_MAX) {
      return r.fail("the value '" + name + "' has an impossible shape");
    }
  }
}

void get_spec(Reader& r, OpSpec& spec) {
  std::string line, name;
  std::vector<int64_t> open;
  int64_t count = 0;
  r.text(line);
  r.list(open);
  r.text(name);
  r.number(count);
  if (!r.ok()) return;
  Result<OpSpec> parsed = parse_op(line);
  if (!parsed.ok()) return r.fail(parsed.status().message());
  spec = std::move(*parsed);
  const auto extents = open_extents(spec);
  if (open.size() != extents.size()) return r.fail("the op '" + line + "' leaves other extents open");
  for (size_t i = 0; i < open.size(); ++i) spec.*extents[i] = open[i];
  spec.name = std::move(name);
  spec.count = count;
}

void get_quant(Reader& r, OpQuant& quant) {
  auto& [src_scale, src_zp, wei_scale, wei_zp, dst_scale, dst_zp, clamp_lo, clamp_hi, bias] = quant;
  r.number(src_scale);
  r.number(src_zp);
  r.list(wei_scale);
  r.list(wei_zp);
  r.number(dst_scale);
  r.number(dst_zp);
  r.number(clamp_lo);
  r.number(clamp_hi);
  r.list(bias);
}

void get_node(Reader& r, NodeDesc& node) {
  auto& [name, kind, spec, quant, spatial_rank, auto_pad, wei, lent, ints, floats, inputs, output] = node;
  lent = {};
  r.text(name);
  get_kind(r, kind);
  if (r.ok() && has_spec(kind)) {
    get_spec(r, spec);
    get_quant(r, quant);
  }
  r.number(spatial_rank);
  r.text(auto_pad);
  r.blob(wei);
  r.list(ints);
  r.list(floats);
  r.list(inputs);
  r.number(output);
}

void get_shapes(Reader& r, std::vector<DeclaredShape>& shapes, size_t count) {
  for (size_t i = 0; i < count && r.ok(); ++i) {
    r.flag(shapes.emplace_back().ranked);
    r.list(shapes.back().dims);
  }
}

void get_plan(Reader& r, PlanFile& plan) {
  auto& [octile_version, graph, inputs, outputs, ready] = plan;
  r.text(octile_version);
  r.text(graph.name);
  // Elements are appended as they are read, so that a forged count allocates no more than its bytes can fill.
  for (uint32_t n = r.count(1); n > 0 && r.ok(); --n) get_value(r, graph.values.emplace_back());
  for (uint32_t n = r.count(1); n > 0 && r.ok(); --n) get_node(r, graph.nodes.emplace_back());
  r.list(graph.inputs);
  r.list(graph.outputs);
  get_shapes(r, inputs, graph.inputs.size());
  get_shapes(r, outputs, graph.outputs.size());
  for (uint32_t n = r.count(4); n > 0 && r.ok() && !inputs.empty(); --n) {
    auto& set = ready.emplace_back();
    for (size_t i = 0; i < inputs.size() && r.ok(); ++i) r.list(set.emplace_back());
  }
  r.finish();
}

Status corrupt(const std::string& file, const std::string& what) {
  return {Code::corrupt, file + ": " + what + "; compile the model again (octile compile) or copy the file again"};
}

// Magic, size, hash, version, in this order: a damaged version number is damage, not another version.
Status check_frame(Bytes bytes, const std::string& file, PlanHeader& header) {
  if (bytes.size() < kHeaderSize + kDigestSize) {
    return corrupt(file, "is no plan, only " + std::to_string(bytes.size()) + " bytes");
  }
  const PlanHeader wanted;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, wanted.magic, sizeof wanted.magic) != 0) {
    return corrupt(file, "is no plan, it does not start with OCTPLAN1");
  }
  if (header.size != bytes.size()) {
    return corrupt(file, "has " + std::to_string(bytes.size()) + " bytes but says it has " +
                             std::to_string(header.size) + ", so it is truncated or damaged");
  }
  const auto digest = packs::sha256(bytes.first(bytes.size() - kDigestSize));
  if (!std::equal(digest.begin(), digest.end(), bytes.end() - kDigestSize))
    return corrupt(file, "its SHA-256 is wrong");
  if (header.version != kPlanVersion || header.zero != 0) {
    return {Code::unsupported, file + ": is a plan of format " + std::to_string(header.version) +
                                   ", this is Octile for " + "format " + std::to_string(kPlanVersion) +
                                   "; compile the model again with this version (octile compile)"};
  }
  if (header.description > bytes.size() - kHeaderSize - kDigestSize) {
    return corrupt(file, "its description is longer than the file");
  }
  return {};
}

}  // namespace

Result<PlanFile> read_plan(std::span<const uint8_t> bytes, const std::string& file) {
  PlanHeader header;
  OCTILE_RETURN_IF_ERROR(check_frame(bytes, file, header));
  Reader reader(bytes, header.description);
  PlanFile plan;
  get_plan(reader, plan);
  if (!reader.ok()) return corrupt(file, reader.error());
  if (const Status st = check_plan(plan); !st.ok()) return corrupt(file, st.message());
  return plan;
}

Result<std::vector<uint8_t>> read_plan_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // non-blocking: a FIFO must not hang us
  const auto failed = [&](Code code, const std::string& what) {
    if (fd >= 0) ::close(fd);
    return Status(code, path + ": " + what + "; name a .octplan file made by octile compile");
  };
  if (fd < 0) {
    const int error = errno;
    return failed(error == ENOENT ? Code::not_found : Code::io_error,
                  std::string("cannot open the plan: ") + std::strerror(error));
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return failed(Code::invalid_argument, "is no regular file");
  std::vector<uint8_t> bytes(static_cast<size_t>(info.st_size));
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::read(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(Code::io_error, std::string("cannot read: ") + std::strerror(errno));
    if (n == 0) bytes.resize(done);  // it shrank; its own size field will tell
    done += static_cast<size_t>(n);
  }
  ::close(fd);
  return bytes;
}

}  // namespace octile::runtime
