// Sorting, for one instruction set: keys of each dtype, and what is done with keys of 32 and 64 bits, bare and packed with an index.
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/simd/sort.h"

template <class T> constexpr gems_key_table keys_of() {
  typedef typename T::K K;
  constexpr bool wide = sizeof(K) == 8;
  typedef typename SortOps<K, 0>::template pick<wide, u128, u64>::type P;
  return {wide,      T::has_nan, encode<T, K, 0>, encode<T, P, 8 * sizeof(K)>, decode<T, K, 0>, decode<T, P, 8 * sizeof(K)>,
          running<T>};
}
template <class E, int S> constexpr gems_order_table order_of() {
  typedef SortOps<E, S> O;
  gems_order_table t{sizeof(E), O::sort, O::bits, O::histogram, O::scatter, O::heads, O::runs};
  if constexpr (S == 0) {
    t.nth = O::nth;
    t.count = O::count;
    t.find = O::find;
    t.least = O::least;
    t.range = O::range;
    t.tally = O::tally;
    t.map = O::map;
    t.member = O::member;
    t.insert = O::insert;
    t.contains = O::contains;
  }
  return t;
}
constexpr gems_sort_table make() {
  gems_sort_table t{};
  t.keys[GEMS_BOOL] = keys_of<BoolKey>();
  t.keys[GEMS_U8] = keys_of<IntKey<u8, u32, false>>();
  t.keys[GEMS_I8] = keys_of<IntKey<u8, u32, true>>();
  t.keys[GEMS_I16] = keys_of<IntKey<u16, u32, true>>();
  t.keys[GEMS_I32] = keys_of<IntKey<u32, u32, true>>();
  t.keys[GEMS_I64] = keys_of<IntKey<u64, u64, true>>();
  t.keys[GEMS_F16] = keys_of<FloatKey<u16, u32, 0x7c00>>();
  t.keys[GEMS_BF16] = keys_of<FloatKey<u16, u32, 0x7f80>>();
  t.keys[GEMS_F32] = keys_of<FloatKey<u32, u32, 0x7f800000u>>();
  t.keys[GEMS_F64] = keys_of<FloatKey<u64, u64, 0x7ff0000000000000ull>>();
  t.order[0][0] = order_of<u32, 0>();
  t.order[0][1] = order_of<u64, 32>();
  t.order[1][0] = order_of<u64, 0>();
  t.order[1][1] = order_of<u128, 64>();
  return t;
}
}  // namespace

extern "C" const gems_sort_table GEMS_CAT(gems_sorting, _, GEMS_ISA);
const gems_sort_table GEMS_CAT(gems_sorting, _, GEMS_ISA) = make();
