// EPContext nodes, written and read.  In/out: see ep_context.h.  Not here: plans, claiming.
#include "plugin/onnxruntime/ep_context.h"

#include <charconv>
#include <climits>
#include <filesystem>

#include "packs/format/atomic_file.h"
#include "plugin/onnxruntime/ep.h"
#include "runtime/plan_file/plan_file.h"

namespace octile::ort {
namespace {

namespace fs = std::filesystem;

constexpr char kCache[] = "ep_cache_context";

// Attributes on their way into a node. CreateNode takes and nulls them when it succeeds; what is left is released here.
class Attributes {
 public:
  explicit Attributes(const Host& host) : host_(host) {}
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() {
    for (OrtOpAttr* a : list_) {
      if (a != nullptr) host_.raw(ReleaseOpAttr, a);
    }
  }
  [[nodiscard]] Status number(const char* name, int64_t value) { return add(name, &value, 1, kAttrInt); }
  [[nodiscard]] Status text(const char* name, std::string_view value) {
    if (value.size() > INT_MAX) {
      return {Code::unsupported, "octile: a plan of " + std::to_string(value.size()) +
                                     " bytes does not fit into a node; set ep.context_embed_mode=0"};
    }
    return add(name, value.data(), static_cast<int>(value.size()), kAttrString);
  }
  std::vector<OrtOpAttr*>& list() { return list_; }

 private:
  Status add(const char* name, const void* data, int count, int type) {
    OrtOpAttr* attribute = nullptr;
    OCTILE_RETURN_IF_ERROR(host_(CreateOpAttr, name, data, count, type, &attribute));
    list_.push_back(attribute);
    return {};
  }

  const Host& host_;
  std::vector<OrtOpAttr*> list_;
};

// [model]_[provider].bin beside the compiled model, a number in the name from the second region on.
Result<std::string> write_beside(const ContextOptions& options, const std::string& model_path, int index,
                                 std::span<const uint8_t> plan) {
  fs::path model = options.file_path;
  if (model.empty()) model = fs::path(model_path).replace_extension().concat("_ctx.onnx");  // ORT's own default
  const std::string name =
      model.stem().string() + "_" + kProviderName + (index == 0 ? "" : "_" + std::to_string(index)) + ".bin";
  OCTILE_RETURN_IF_ERROR(packs::write_file_atomically((model.parent_path() / name).string(), std::span(&plan, 1)));
  return name;
}

// The bytes of a text attribute, zeros included. They are copied once: into the answer.
Result<std::vector<uint8_t>> attribute_bytes(const Host& host, const OrtNode* node, const char* name) {
  const OrtOpAttr* attribute = nullptr;
  OCTILE_RETURN_IF_ERROR(host(Node_GetAttributeByName, node, name, &attribute));
  if (attribute == nullptr) return std::vector<uint8_t>();
  size_t size = 0;
  // With no room the call fails but says how much it needs.
  if (host(ReadOpAttr, attribute, kAttrString, static_cast<void*>(nullptr), size_t{0}, &size).ok() || size == 0) {
    return std::vector<uint8_t>();
  }
  std::vector<uint8_t> bytes(size);
  OCTILE_RETURN_IF_ERROR(host(ReadOpAttr, attribute, kAttrString, static_cast<void*>(bytes.data()), size, &size));
  return bytes;
}

// A payload file lies in the model's folder or below it; a model must not make us read elsewhere.
bool stays_below(const fs::path& relative) {
  const fs::path normal = relative.lexically_normal();
  return !normal.empty() && normal.is_relative() && *normal.begin() != "..";
}

}  // namespace

bool is_context(const plugin::HostNode& node) {
  if (node.op != "EPContext" || node.domain != "com.microsoft") return false;
  const plugin::HostAttribute* source = node.attribute("source");
  return source != nullptr && source->s == kProviderName;
}

Result<OrtNode*> make_context(const Host& host, const ContextOptions& options, const std::string& model_path, int index,
                              const ContextNode& what, std::span<const uint8_t> plan) {
  Attributes attributes(host);
  std::string_view payload(reinterpret_cast<const char*>(plan.data()), plan.size());
  std::string name;
  if (!options.embed) {
    OCTILE_ASSIGN_OR_RETURN(name, write_beside(options, model_path, index, plan));
    payload = name;
  }
  OCTILE_RETURN_IF_ERROR(attributes.number("main_context", 1));
  OCTILE_RETURN_IF_ERROR(attributes.number("embed_mode", options.embed ? 1 : 0));
  OCTILE_RETURN_IF_ERROR(attributes.text(kCache, payload));
  OCTILE_RETURN_IF_ERROR(attributes.text("source", kProviderName));
  OCTILE_RETURN_IF_ERROR(attributes.text("partition_name", what.name));
  OCTILE_RETURN_IF_ERROR(attributes.text("ep_sdk_version", OCTILE_VERSION));
  std::vector<const char*> inputs, outputs;
  for (const std::string& s : what.inputs) inputs.push_back(s.c_str());
  for (const std::string& s : what.outputs) outputs.push_back(s.c_str());
  OrtNode* node = nullptr;
  OCTILE_RETURN_IF_ERROR(host.editor(Editor_CreateNode, "EPContext", "com.microsoft", what.name.c_str(), inputs.data(),
                                     inputs.size(), outputs.data(), outputs.size(), attributes.list().data(),
                                     attributes.list().size(), &node));
  return node;
}

Result<Payload> read_context(const Host& host, const ContextOptions& options, const std::string& model_path,
                             const OrtNode* from, const plugin::HostNode& node) {
  Payload out;
  OCTILE_ASSIGN_OR_RETURN(std::vector<uint8_t> cached, attribute_bytes(host, from, kCache));
  const std::string& model = model_path.empty() ? options.file_path : model_path;
  if (node.int_attribute("embed_mode", 1) != 0) {
    out.file = (model.empty() ? "model" : model) + ", node '" + node.name + "'";
    const auto kept = std::make_shared<const std::vector<uint8_t>>(std::move(cached));
    out.bytes = *kept;
    out.owner = kept;
    return out;
  }
  while (!cached.empty() && cached.back() == 0) cached.pop_back();
  const fs::path name(std::string(cached.begin(), cached.end()));
  if (!stays_below(name)) {
    return Status(Code::corrupt, (model.empty() ? "model" : model) + ", node '" + node.name + "': its payload '" +
                                     name.string() + "' is not a file beside the model; compile the model again");
  }
  out.file = (fs::path(model).parent_path() / name).string();
  OCTILE_ASSIGN_OR_RETURN(const std::shared_ptr<const packs::MappedFile> mapped, runtime::read_plan_file(out.file));
  out.bytes = mapped->bytes();
  out.owner = mapped;
  return out;
}

const char* compatibility() {
  static const std::string kText =
      std::string("octile ") + OCTILE_VERSION + ", plan " + std::to_string(runtime::kPlanVersion);
  return kText.c_str();
}

Compatibility judge(std::string_view text) {
  constexpr std::string_view kPlan = ", plan ";
  const size_t at = text.rfind(kPlan);
  if (!text.starts_with("octile ") || at == std::string_view::npos) return kNotApplicable;
  uint32_t version = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + at + kPlan.size(), end, version);
  return error == std::errc() && stop == end && version == runtime::kPlanVersion ? kOptimal : kUnsupported;
}

}  // namespace octile::ort
