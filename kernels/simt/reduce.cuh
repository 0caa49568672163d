// Reduction skeletons for GPUs. reduce_lanes: neighbouring threads read neighbouring reduced elements (the reduced dimension is
// contiguous); reduce_columns: neighbouring threads work on neighbouring outputs (a kept dimension is contiguous). Few outputs:
// splits write partial states, which reduce_finish merges in a fixed order, so results don't vary from run to run.
#pragma once
#include "kernels/lang/moments.h"
#include "kernels/simt/team.cuh"

namespace gems::simt {

template <class F> inline constexpr bool is_indexed = requires { F::with_index; };
template <class F> inline constexpr bool in_passes = requires { F::passes; };

// What is accumulated. Every output has its own accumulator; index reductions keep the best value and where it was.
template <class F, class A, class IX, bool INDEXED = is_indexed<F>> struct Fold {
  static constexpr int NOUT = F::decl.out;
  struct State {
    A v[NOUT];
  };
  static GEMS_FN State none() {
    State s;
#pragma unroll
    for (A& x : s.v) x = F::template identity<A>();
    return s;
  }
  template <class E> static GEMS_FN void add(State& s, E e, IX) {
    if constexpr (F::decl.in == 1 && NOUT == 1) s.v[0] = F::combine(s.v[0], F::map(e(0)));
    else {
      A x[NOUT];
      F::map(e, x);
#pragma unroll
      for (int o = 0; o < NOUT; o++) s.v[o] = F::combine(s.v[o], x[o]);
    }
  }
  static GEMS_FN State merge(State a, State b) {
#pragma unroll
    for (int o = 0; o < NOUT; o++) a.v[o] = F::combine(a.v[o], b.v[o]);
    return a;
  }
  template <class T, int O> static GEMS_FN stored_t<T> result(const State& s, const Number& count, const Number&) {
    return store_as<T>(F::finish(s.v[O], number<A>(count)));
  }
};

// In passes (kernels/simd/passes.h has the functor's parts): the elements that a thread holds in registers are a block.
template <int N> struct Pass { static constexpr int value = N; };
template <int N, int P = 0, class G> GEMS_FN void each_pass(G f) {
  if constexpr (P < N) {
    f(Pass<P>{});
    each_pass<N, P + 1>(f);
  }
}
template <class F, class A> struct FoldPasses {
  static constexpr int S = F::decl.slots;
  // What counts in whole numbers says `exact`: a float counts to 2^24.
  static constexpr bool exact = requires { F::exact; };
  template <bool WIDE, class T> struct state_type { typedef T type; };
  template <class T> struct state_type<true, T> { typedef double type; };
  typedef typename state_type<exact && is_same<A, float>, A>::type W;
  struct State {
    W v[S];
  };
  static GEMS_FN State none() {
    State s;
    each_pass<S>([&](auto k) {
      if constexpr (k.value < F::passes) s.v[k.value] = (W)F::template none<k.value, A>();
      else s.v[k.value] = W(0);
    });
    return s;
  }
  template <int N> static GEMS_FN void add(State& s, const A (&x)[N], A par) {
    A t[S] = {};
    each_pass<F::passes>([&](auto pass) {
      constexpr int P = pass.value;
      A y = F::template none<P, A>();
#pragma unroll
      for (int i = 0; i < N; i++) y = F::template join<P>(y, F::template term<P>(x[i], t, par));
      t[P] = y;
      F::template after<P>(t, (A)N);
    });
    State b;
    each_pass<S>([&](auto k) { b.v[k.value] = (W)t[k.value]; });
    F::close(b.v, (W)N);
    F::merge(s.v, b.v);
  }
  static GEMS_FN State merge(State a, State b) {
    F::merge(a.v, b.v);
    return a;
  }
  template <class T, int O> static GEMS_FN stored_t<T> result(const State& s, const Number& count, const Number& par) {
    return store_as<T>(F::template finish<O>(s.v, number<W>(count), number<W>(par)));
  }
};
template <class F, class A, class IX, bool PASSES = in_passes<F>> struct fold_of { typedef Fold<F, A, IX> type; };
template <class F, class A, class IX> struct fold_of<F, A, IX, true> { typedef FoldPasses<F, A> type; };

template <class F, class A, class IX> struct Fold<F, A, IX, true> {
  struct State {
    A v;
    IX i;  // row-major position in the reduced dimensions, -1: nothing yet
  };
  static GEMS_FN State none() { return State{A(0), IX(-1)}; }
  template <class E> static GEMS_FN void add(State& s, E e, IX i) {  // positions come in ascending order
    A x = e(0);
    bool take = (s.i < 0) | F::better(x, s.v);
    s.v = take ? x : s.v;
    s.i = take ? i : s.i;
  }
  static GEMS_FN State merge(State a, State b) {
    bool lower = (b.i < a.i) & !F::better(a.v, b.v);  // equal or better, and earlier
    bool take = (b.i >= 0) & ((a.i < 0) | F::better(b.v, a.v) | lower);
    return take ? b : a;
  }
  template <class T, int O> static GEMS_FN stored_t<T> result(const State& s, const Number&, const Number&) {
    if constexpr (F::decl.out == 2 && O == 0) return store_as<T>(s.v);
    else return store_as<T>((i64)s.i);
  }
};

template <class F, class A, class IX, int O, class... T, class Args>
GEMS_FN void write_results(const Args& a, const typename fold_of<F, A, IX>::type::State& s, const i64* off, int element) {
  if constexpr (O < F::decl.out) {
    typedef nth<O, T...> X;
    if (a.p[O])
      ((stored_t<X>*)a.p[O])[off[O] + element * a.out_step[O]] =
          fold_of<F, A, IX>::type::template result<X, O>(s, a.count, a.par);
    write_results<F, A, IX, O + 1, T...>(a, s, off, element);
  }
}

// Offsets of the inputs at one unit of the reduced dimensions.
template <bool SINGLE, int NOUT, int NIN>
GEMS_FN void reduced_offsets(const ReduceArgs<NOUT, NIN>& a, i64 unit, i64 (&off)[NIN]) {
  if constexpr (SINGLE) {
#pragma unroll
    for (int k = 0; k < NIN; k++) off[k] = unit * a.stride[k][0];
  } else {
#pragma unroll
    for (int k = 0; k < NIN; k++) off[k] = 0;
    for (int d = a.ndim - 1; d >= 0; d--) {
      i64 q = a.small ? (i64)Div{a.div[d].d, a.div[d].mul, a.div[d].shift}.of((u32)unit) : unit / a.size[d];
      i64 i = unit - q * a.size[d];
      unit = q;
#pragma unroll
      for (int k = 0; k < NIN; k++) off[k] += i * a.stride[k][d];
    }
  }
}

// The packs of all inputs at UNROLL units, all loads before any use. SPREAD: bit k set: input k has one value for the whole pack.
template <int NOUT, int VEC, int UNROLL, unsigned SPREAD, class... T> struct Units {
  static constexpr int NT = sizeof...(T);
  Packs<0, UNROLL, VEC, T...> held;
  template <int K = NOUT, class Args> GEMS_FN void load(const Args& a, const i64* kept, const i64* reduced, int j) {
    if constexpr (K < NT) {
      typedef nth<K, T...> X;
      const stored_t<X>* from = (const stored_t<X>*)a.p[K] + kept[K] + reduced[K - NOUT];
      auto& d = pack_of<K>(held)[j];
      if constexpr (SPREAD >> (K - NOUT) & 1) d.v[0] = *from;
      else d = load_pack<VEC, X>(from);
      load<K + 1>(a, kept, reduced, j);
    }
  }
  template <class A, int K = NOUT> GEMS_FN A get(int k, int j, int i) {
    if constexpr (K >= NT) return A(0);
    else
      return k == K - NOUT ? load_as<A, nth<K, T...>>(pack_of<K>(held)[j].v[SPREAD >> (K - NOUT) & 1 ? 0 : i])
                           : get<A, K + 1>(k, j, i);
  }
};

// PARTIAL: this split's states go to `partial`; else there is one split and results are written.
template <class F, class A, class IX, int LANES, int VEC, bool SINGLE, unsigned SPREAD, bool PARTIAL, class... T>
GEMS_FN void reduce_lanes(const ReduceArgs<F::decl.out, F::decl.in>& a) {
  typedef typename fold_of<F, A, IX>::type Fo;
  typedef typename Fo::State State;
  constexpr int NOUT = F::decl.out, NIN = F::decl.in, UNROLL = 4;
  constexpr int MANY = is_indexed<F> || NIN > 1 || sizeof(A) == 8 ? 4 : 8, ACCS = in_passes<F>          ? 1
                                                                                  : UNROLL * VEC < MANY ? UNROLL * VEC
                                                                                                        : MANY;
  static_assert(sizeof(State) <= kStateBytes(NOUT, F::decl.slots));
  Team<LANES> team;
  const i64 begin = blockIdx.y * a.chunk, end = begin + a.chunk < a.units ? begin + a.chunk : a.units, size = team.size();
  for (i64 base = blockIdx.x * (i64)team.count(); base < a.kept.rows; base += gridDim.x * (i64)team.count()) {
    i64 out = base + team.index();
    const bool active = out < a.kept.rows;
    out = active ? out : a.kept.rows - 1;  // idle teams read what the last one reads: barriers are for all
    i64 kept[NOUT + NIN], off[NIN];
    kept_offsets(a.kept, out, kept);
    State acc[ACCS];
#pragma unroll
    for (State& s : acc) s = Fo::none();
    i64 u = begin + team.rank();
    for (; u + (UNROLL - 1) * size < end; u += UNROLL * size) {
      Units<NOUT, VEC, UNROLL, SPREAD, T...> x;
#pragma unroll
      for (int j = 0; j < UNROLL; j++) {
        reduced_offsets<SINGLE>(a, u + j * size, off);
        x.load(a, kept, off, j);
      }
      if constexpr (in_passes<F>) {
        A block[UNROLL * VEC];
#pragma unroll
        for (int j = 0; j < UNROLL; j++)
#pragma unroll
          for (int i = 0; i < VEC; i++) block[j * VEC + i] = x.template get<A>(0, j, i);
        Fo::add(acc[0], block, number<A>(a.par));
      } else {
#pragma unroll
        for (int j = 0; j < UNROLL; j++)
#pragma unroll
          for (int i = 0; i < VEC; i++)
            Fo::add(
                acc[(j * VEC + i) % ACCS], [&](int k) { return x.template get<A>(k, j, i); }, (IX)((u + j * size) * VEC + i));
      }
    }
    for (; u < end; u += size) {
      Units<NOUT, VEC, 1, SPREAD, T...> x;
      reduced_offsets<SINGLE>(a, u, off);
      x.load(a, kept, off, 0);
      if constexpr (in_passes<F>) {
        A block[VEC];
#pragma unroll
        for (int i = 0; i < VEC; i++) block[i] = x.template get<A>(0, 0, i);
        Fo::add(acc[0], block, number<A>(a.par));
      } else {
#pragma unroll
        for (int i = 0; i < VEC; i++)
          Fo::add(
              acc[i % ACCS], [&](int k) { return x.template get<A>(k, 0, i); }, (IX)(u * VEC + i));
      }
    }
    if constexpr (VEC > 1 && SINGLE) {  // at most VEC - 1 elements behind the last pack
      if (blockIdx.y == gridDim.y - 1)
        for (int t = team.rank(); t < a.tail; t += team.size()) {
          Units<NOUT, 1, 1, SPREAD, T...> x;
          reduced_offsets<true>(a, a.units, off);
#pragma unroll
          for (int k = 0; k < NIN; k++) off[k] += SPREAD >> k & 1 ? 0 : t;
          x.load(a, kept, off, 0);
          if constexpr (in_passes<F>) {
            const A block[1] = {x.template get<A>(0, 0, 0)};
            Fo::add(acc[0], block, number<A>(a.par));
          } else {
            Fo::add(
                acc[0], [&](int k) { return x.template get<A>(k, 0, 0); }, (IX)(a.units * VEC + t));
          }
        }
    }
#pragma unroll
    for (int k = 1; k < ACCS; k *= 2)
#pragma unroll
      for (int i = 0; i + k < ACCS; i += 2 * k) acc[i] = Fo::merge(acc[i], acc[i + k]);
    State s = team.combine(acc[0], Fo::none(), [](State x, State y) { return Fo::merge(x, y); });
    if (active && team.rank() == 0) {
      if constexpr (PARTIAL) ((State*)a.partial)[out * a.splits + blockIdx.y] = s;
      else write_results<F, A, IX, 0, T...>(a, s, kept, 0);
    }
  }
}

// BX * BY threads; each accumulates VEC neighbouring outputs, the BY threads above each other share them.
template <class F, class A, class IX, int BX, int BY, int VEC, bool SINGLE, unsigned SPREAD, bool PARTIAL, class... T>
GEMS_FN void reduce_columns(const ReduceArgs<F::decl.out, F::decl.in>& a) {
  typedef typename fold_of<F, A, IX>::type Fo;
  typedef typename Fo::State State;
  constexpr int NOUT = F::decl.out, NIN = F::decl.in, UNROLL = 4;
  static_assert(sizeof(State) <= kStateBytes(NOUT, F::decl.slots));
  __shared__ State upper[BY > 1 ? BY / 2 * BX * VEC : 1];
  const int tx = (int)threadIdx.x % BX, ty = (int)threadIdx.x / BX;
  const i64 begin = blockIdx.y * a.chunk, end = begin + a.chunk < a.units ? begin + a.chunk : a.units;
  for (i64 base = blockIdx.x * (i64)BX; base < a.kept.rows; base += gridDim.x * (i64)BX) {
    const bool active = base + tx < a.kept.rows;
    const i64 pack = active ? base + tx : a.kept.rows - 1;
    i64 kept[NOUT + NIN], off[NIN];
    kept_offsets(a.kept, pack, kept);
    State acc[VEC];
#pragma unroll
    for (State& s : acc) s = Fo::none();
    i64 u = begin + ty;
    for (; u + (UNROLL - 1) * BY < end; u += UNROLL * BY) {
      Units<NOUT, VEC, UNROLL, SPREAD, T...> x;
#pragma unroll
      for (int j = 0; j < UNROLL; j++) {
        reduced_offsets<SINGLE>(a, u + j * BY, off);
        x.load(a, kept, off, j);
      }
#pragma unroll
      for (int i = 0; i < VEC; i++) {
        if constexpr (in_passes<F>) {
          A block[UNROLL];
#pragma unroll
          for (int j = 0; j < UNROLL; j++) block[j] = x.template get<A>(0, j, i);
          Fo::add(acc[i], block, number<A>(a.par));
        } else {
#pragma unroll
          for (int j = 0; j < UNROLL; j++)
            Fo::add(
                acc[i], [&](int k) { return x.template get<A>(k, j, i); }, (IX)(u + j * BY));
        }
      }
    }
    for (; u < end; u += BY) {
      Units<NOUT, VEC, 1, SPREAD, T...> x;
      reduced_offsets<SINGLE>(a, u, off);
      x.load(a, kept, off, 0);
#pragma unroll
      for (int i = 0; i < VEC; i++) {
        if constexpr (in_passes<F>) {
          const A block[1] = {x.template get<A>(0, 0, i)};
          Fo::add(acc[i], block, number<A>(a.par));
        } else {
          Fo::add(
              acc[i], [&](int k) { return x.template get<A>(k, 0, i); }, (IX)u);
        }
      }
    }
#pragma unroll
    for (int h = BY / 2; h > 0; h /= 2) {
      __syncthreads();
      if (ty >= h && ty < 2 * h)
#pragma unroll
        for (int i = 0; i < VEC; i++) upper[((ty - h) * VEC + i) * BX + tx] = acc[i];
      __syncthreads();
      if (ty < h)
#pragma unroll
        for (int i = 0; i < VEC; i++) acc[i] = Fo::merge(acc[i], upper[(ty * VEC + i) * BX + tx]);
    }
    if (active && ty == 0) {
#pragma unroll
      for (int i = 0; i < VEC; i++) {
        if constexpr (PARTIAL) ((State*)a.partial)[(pack * VEC + i) * a.splits + blockIdx.y] = acc[i];
        else write_results<F, A, IX, 0, T...>(a, acc[i], kept, i);
      }
    }
  }
}

// Merges the splits' states. VEC: outputs of a pack in `kept`.
template <class F, class A, class IX, int LANES, int VEC, class... T>
GEMS_FN void reduce_finish(const ReduceArgs<F::decl.out, F::decl.in>& a) {
  typedef typename fold_of<F, A, IX>::type Fo;
  typedef typename Fo::State State;
  Team<LANES> team;
  const i64 outputs = a.kept.rows * VEC;
  for (i64 base = blockIdx.x * (i64)team.count(); base < outputs; base += gridDim.x * (i64)team.count()) {
    i64 out = base + team.index();
    const bool active = out < outputs;
    out = active ? out : outputs - 1;
    const State* from = (const State*)a.partial + out * a.splits;
    State s = Fo::none();
#pragma unroll 4
    for (int i = team.rank(); i < a.splits; i += team.size()) s = Fo::merge(s, from[i]);
    s = team.combine(s, Fo::none(), [](State x, State y) { return Fo::merge(x, y); });
    if (active && team.rank() == 0) {
      i64 kept[F::decl.out + F::decl.in];
      kept_offsets(a.kept, out / VEC, kept);
      write_results<F, A, IX, 0, T...>(a, s, kept, (int)(out % VEC));
    }
  }
}

}  // namespace gems::simt
