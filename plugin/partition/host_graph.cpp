// HostGraph: name index and links.  In: see host_graph.h.  Out: the same.  Not here: decisions.
#include "plugin/partition/host_graph.h"

#include <algorithm>
#include <charconv>

namespace octile::plugin {

DimName read_dim_name(std::string_view name) {
  int64_t factor = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, factor);
  if (error != std::errc() || factor < 1 || rest == end || *rest != '*') return {1, std::string(name)};
  const std::string_view symbol(rest + 1, static_cast<size_t>(end - rest - 1));
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  const bool one = !symbol.empty() && std::all_of(symbol.begin(), symbol.end(), plain);
  return one ? DimName{factor, std::string(symbol)} : DimName{1, std::string(name)};
}

const HostAttribute* HostNode::attribute(std::string_view key) const {
  const auto it = attributes.find(key);
  return it == attributes.end() ? nullptr : &it->second;
}

bool HostNode::is_one_of(std::span<const std::string_view> names) const {
  return domain.empty() && std::find(names.begin(), names.end(), op) != names.end();
}

int HostNode::other_input(int value) const {
  if (inputs.size() != 2) return -1;
  return inputs[0] == value ? inputs[1] : inputs[0];
}

int64_t HostNode::int_attribute(std::string_view key, int64_t otherwise) const {
  const HostAttribute* a = attribute(key);
  return a == nullptr ? otherwise : a->i;
}

float HostNode::float_attribute(std::string_view key, float otherwise) const {
  const HostAttribute* a = attribute(key);
  return a == nullptr ? otherwise : a->f;
}

int HostGraph::value(const std::string& value_name) {
  const auto [it, added] = index.try_emplace(value_name, static_cast<int>(values.size()));
  if (added) values.emplace_back().name = value_name;
  return it->second;
}

void HostGraph::link() {
  for (HostValue& v : values) {
    v.producer = -1;
    v.consumers.clear();
  }
  for (int n = 0; n < static_cast<int>(nodes.size()); ++n) {
    for (const int v : nodes[n].outputs) {
      if (v >= 0) values[v].producer = n;
    }
    for (const auto* list : {&nodes[n].inputs, &nodes[n].implicit_inputs}) {
      for (const int v : *list) {
        if (v >= 0) values[v].consumers.push_back(n);
      }
    }
  }
}

int HostGraph::sole_consumer(int value_id) const {
  if (value_id < 0) return -1;
  const HostValue& v = values[value_id];
  return v.consumers.size() == 1 && !v.graph_output ? v.consumers.front() : -1;
}

int HostGraph::sole_reader(int value_id, std::string_view op) const {
  const int reader = sole_consumer(value_id);
  if (reader < 0 || nodes[reader].taken_elsewhere || nodes[reader].output(0) < 0) return -1;
  return nodes[reader].is(op) ? reader : -1;
}

}  // namespace octile::plugin
