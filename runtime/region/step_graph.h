// StepGraph: a program's steps, with who reads and who writes each store.
// In:  Program.  Out: the same, for rewrites to derive from: what they ask before they take steps apart.
// Not here: a rewrite (fuse.cpp, share.cpp).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/region/program.h"

namespace octile::runtime {

class StepGraph {
 protected:
  StepGraph(Program& program, const RegionDesc& desc) : p_(program), desc_(desc) {}

  Store& store(int s) { return p_.stores[static_cast<size_t>(s)]; }
  [[nodiscard]] int root(int s) const {
    while (p_.stores[static_cast<size_t>(s)].alias >= 0) s = p_.stores[static_cast<size_t>(s)].alias;
    return s;
  }
  template <class F>
  void each_source(const Step& step, const F& f) const {
    for (int s : step.src) f(s);
    for (const StepTail& t : step.tails) {
      if (t.other >= 0 && !t.writes_other()) f(t.other);
    }
  }

  void count() {
    for (auto* lists : {&readers_, &writers_}) {
      lists->resize(p_.stores.size());
      for (auto& list : *lists) list.clear();
    }
    aliased_.assign(p_.stores.size(), false);
    for (size_t i = 0; i < p_.steps.size(); ++i) {
      if (erased(i)) continue;
      each_source(p_.steps[i], [&](int s) { readers_[static_cast<size_t>(s)].push_back(i); });
      writers_[static_cast<size_t>(p_.steps[i].dst)].push_back(i);
      for (const StepTail& t : p_.steps[i].tails) {
        if (t.writes_other()) writers_[static_cast<size_t>(t.other)].push_back(i);
      }
    }
    for (size_t s = 0; s < p_.stores.size(); ++s) {
      const bool read = !readers_[s].empty() || !writers_[s].empty();
      if (p_.stores[s].alias >= 0 && read) aliased_[static_cast<size_t>(p_.stores[s].alias)] = true;
    }
  }

  // The only writer of a store that has one reader and no other name; -1: not so.
  [[nodiscard]] int sole_writer(int s) const {
    const auto at = static_cast<size_t>(s);
    const Store& store = p_.stores[at];
    if (store.home != Home::arena || store.alias >= 0 || aliased_[at] || store.bordered()) return -1;
    if (readers_[at].size() != 1 || writers_[at].size() != 1) return -1;
    return static_cast<int>(writers_[at][0]);
  }

  [[nodiscard]] bool alike(int a, int b) const {
    const Store &x = p_.stores[static_cast<size_t>(a)], &y = p_.stores[static_cast<size_t>(b)];
    return x.shape == y.shape && x.order == y.order;
  }

  // What is erased leaves a hole, so that the others keep their places, until close_holes().
  void erase(size_t step) { p_.steps[step] = Step(); }
  [[nodiscard]] bool erased(size_t step) const { return p_.steps[step].dst < 0; }
  void close_holes() {
    std::erase_if(p_.steps, [](const Step& step) { return step.dst < 0; });
  }
  void say(int node, const Step& into) {
    if (node < 0) return;
    const std::string name =
        into.node >= 0 ? "'" + desc_.nodes[static_cast<size_t>(into.node)].name + "'" : "a conversion";
    p_.how[static_cast<size_t>(node)] = "tail of " + name;
  }

  [[nodiscard]] static bool takes_tail(const Step& step) {
    return step.kind == StepKind::dot && step.dot.spec.dst != DType::s32 && step.tails.size() < kMaxTails;
  }
  // One that has another tensor, of the whole result's pixels.
  [[nodiscard]] static bool takes_tail_with_other(const Step& step) {
    return takes_tail(step) && step.dot.products.size() == 1;
  }

  Program& p_;
  const RegionDesc& desc_;
  std::vector<std::vector<size_t>> readers_, writers_;  // per store: steps
  std::vector<bool> aliased_;
};

}  // namespace octile::runtime
