// octile-doctor: what this machine is and which targets it can run, for `octile doctor`.
// In:  the CPU.  Out: one JSON object on standard output.
// Not here: packs, ONNX Runtime (the command adds those).
#include <cstdio>
#include <nlohmann/json.hpp>

#include "targets/probe/probe.h"

namespace {

nlohmann::json targets() {
  nlohmann::json list = nlohmann::json::array();
  for (const octile::TargetDesc& t : octile::all_targets()) {
    list.push_back({{"name", t.name},
                    {"alias", t.alias},
                    {"runs", octile::can_run(t.isa)},
                    {"vector_bytes", t.vector_bytes},
                    {"dot_k", t.dot_k}});
  }
  return list;
}

}  // namespace

int main() {
  octile::ask_for_tiles();
  const octile::CpuInfo& cpu = octile::cpu_info();
  const nlohmann::json report = {
      {"cpu",
       {{"vendor", cpu.vendor},
        {"brand", cpu.brand},
        {"family", cpu.family},
        {"model", cpu.model},
        {"stepping", cpu.stepping},
        {"logical_cpus", cpu.logical_cpus},
        {"l1d_bytes", cpu.l1d_bytes},
        {"l2_bytes", cpu.l2_bytes},
        {"l3_bytes", cpu.l3_bytes},
        {"features",
         {{"x86-64-v2", cpu.x86_64_v2},
          {"avx2", cpu.avx2},
          {"avx512vnni", cpu.avx512vnni},
          {"avx512amx", cpu.avx512amx},
          {"avxvnni", cpu.avxvnni},
          {"avx512vbmi", cpu.avx512vbmi},
          {"amx_int8", cpu.amx_int8}}}}},
      {"targets", targets()},
      {"host", octile::target(octile::host_isa()).name},
  };
  std::puts(report.dump(2).c_str());
  return 0;
}
