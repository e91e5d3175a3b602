// Marker calls: the dot products of the algorithms, before a target gives them an instruction.
// In:  Halide expressions.  Out: calls named q8_*, lowered by schedules/kernelc/lower_markers per target.
// Not here: which instruction a target has.
// A marker left scalar in the lowered code is an undefined symbol at link time, which the pack builder refuses.
#pragma once

#include <Halide.h>

#include <string>
#include <vector>

namespace octile::generators {

inline constexpr const char* kWord = "q8_word";           // a 32-bit word loaded from 8- or 16-bit elements
inline constexpr const char* kDot = "q8_dot";             // acc + dot of two words of four bytes
inline constexpr const char* kDotPairs = "q8_dot_pairs";  // acc + dot of two words of two 16-bit elements
inline constexpr const char* kQuad = "q8_quad";           // words of four bytes, in lane order
inline constexpr const char* kPair = "q8_pair";           // words of two bytes widened to 16 bits, in lane order
inline constexpr const char* kLanes = "q8_lanes";         // a vector of 32-bit elements put into lane order
inline constexpr const char* kChannels = "q8_channels";   // a vector in lane order put back into channel order
inline constexpr const char* kRound = "q8_round";         // floats to codes: rounded, moved by the zero point, clamped
inline constexpr const char* kRoundSmall = "q8_round_small";  // the same of floats below 2^31
inline constexpr const char* kRoundLanes =
    "q8_round_lanes";                              // sums and multipliers in lane order to codes in channel order
inline constexpr const char* kDot16 = "q8_dot16";  // acc + widened 16-bit sum of several u8 x s8 word pairs
inline constexpr const char* kAhead = "q8_ahead";  // a load, and a distance at which memory is asked for early

// The 32-bit word that starts at `element`, a plain access to an 8- or 16-bit buffer whose innermost stride is 1.
inline Halide::Expr word(const Halide::Expr& element) {
  return Halide::Internal::Call::make(Halide::Int(32), kWord, {element}, Halide::Internal::Call::PureExtern);
}

// A load that also asks the second cache for what lies `distance` elements further on.
inline Halide::Expr ahead(const Halide::Expr& element, const Halide::Expr& distance) {
  return Halide::Internal::Call::make(element.type(), kAhead, {element, distance}, Halide::Internal::Call::PureExtern);
}

// elements: of a word, 4 bytes or 2 of 16 bits.
inline Halide::Expr dot(int elements, const Halide::Expr& acc, const Halide::Expr& a, const Halide::Expr& b) {
  return Halide::Internal::Call::make(Halide::Int(32), elements == 4 ? kDot : kDotPairs, {acc, a, b},
                                      Halide::Internal::Call::PureExtern);
}

// args: acc, a0, b0, a1, b1, ...
inline Halide::Expr dot16(const std::vector<Halide::Expr>& args) {
  return Halide::Internal::Call::make(Halide::Int(32), kDot16, args, Halide::Internal::Call::PureExtern);
}

// Lane order: in a vector of L channels (L = 32 or 64) channel 16*l + 4*j + t stands at j*L/4 + 4*l + t. It is what
// unpacking bytes inside 128-bit lanes leaves behind, and undone for nothing by the packs at the end; it is only
// meaningful on vectors of exactly L lanes that start at a multiple of L.
inline Halide::Expr quad(const std::vector<Halide::Expr>& bytes) {
  return Halide::Internal::Call::make(Halide::Int(32), kQuad, bytes, Halide::Internal::Call::PureExtern);
}
inline Halide::Expr pair(const std::vector<Halide::Expr>& bytes) {
  return Halide::Internal::Call::make(Halide::Int(32), kPair, bytes, Halide::Internal::Call::PureExtern);
}
inline Halide::Expr lanes(const Halide::Expr& element) {
  return Halide::Internal::Call::make(element.type(), kLanes, {element}, Halide::Internal::Call::PureExtern);
}

inline Halide::Expr channels(const Halide::Expr& element) {
  return Halide::Internal::Call::make(element.type(), kChannels, {element}, Halide::Internal::Call::PureExtern);
}

// lo, hi, zp are scalars. `small`: all floats are known to be below 2^31.
inline Halide::Expr round(const Halide::Expr& f, const Halide::Expr& lo, const Halide::Expr& hi, const Halide::Expr& zp,
                          bool small) {
  return Halide::Internal::Call::make(Halide::UInt(8), small ? kRoundSmall : kRound, {f, lo, hi, zp},
                                      Halide::Internal::Call::PureExtern);
}
inline Halide::Expr round_lanes(const Halide::Expr& acc, const Halide::Expr& mult, const Halide::Expr& lo,
                                const Halide::Expr& hi, const Halide::Expr& zp) {
  return Halide::Internal::Call::make(Halide::UInt(8), kRoundLanes, {acc, mult, lo, hi, zp},
                                      Halide::Internal::Call::PureExtern);
}

}  // namespace octile::generators
