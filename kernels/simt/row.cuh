// Row skeleton for GPUs: softmax, normalisations and their gradients. A team of threads keeps its row in registers, as packed
// as it lies in memory, so that memory is read once; rows too long for that are read again for each pass (mostly from L2).
#pragma once
#include "kernels/simt/team.cuh"

namespace gems::simt {

// 'r', 'v' or 's' for operand k, outputs first, from the declaration's "rss rvv".
template <class F> GEMS_FN constexpr char row_role(int k) {
  for (const char* c = F::decl.roles; *c; c++)
    if (*c != ' ' && k-- == 0) return *c;
  return 0;
}

template <class F> GEMS_FN constexpr bool has_weights() {
  for (const char* c = F::decl.roles; *c; c++)
    if (*c == 'v') return true;
  return false;
}

// What an operator's functor sees as `r`. A: compute type. VPT packs of VEC elements a thread are kept; VPT == 0: none, memory
// is read at each use. FULL: the team's VPT packs cover the row exactly. EARLY: weights are kept too, and read with the row.
// GIVEN: bit k is set if operand k is there.
template <class F, class A, class TeamT, int VPT, int VEC, bool FULL, bool EARLY, unsigned GIVEN, class Args, class... T>
struct Row {
  static constexpr int NT = sizeof...(T), NOUT = F::decl.out, NIN = F::decl.in;
  static_assert(NT == NOUT + NIN);
  static_assert(VPT > 0 || !EARLY);
  static constexpr bool cached = VPT > 0;
  static constexpr int COUNT = cached ? VPT : (VEC == 1 ? 4 : 2);  // packs held at a time
  static constexpr int SUMS = COUNT * VEC < 4 ? COUNT * VEC : 4;   // independent accumulators
  typedef Packs<0, COUNT, VEC, T...> Held;

  TeamT team;
  const Args& a;
  i64 off[NT], step[NT];
  const void* in[NIN];  // update() points an input at an output
  i64 packs;            // in a row
  bool active;
  Held rows, weights;
  A stats[NIN];

  GEMS_FN Row(const Args& args) : a(args), packs(args.n / VEC) {}

  template <int K> static constexpr bool given = (GIVEN >> K & 1) != 0;
  template <int K> GEMS_FN i64 at(i64 pack) const { return off[K] + (VEC == 1 && !Args::dense ? pack * step[K] : pack * VEC); }

  template <int K> GEMS_FN const auto* input() const { return (const stored_t<nth<K, T...>>*)in[K - NOUT]; }

  // Loads packs [from_j, to_j) of all inputs with one role. `first`: this thread's pack 0.
  template <char ROLE, int K = NOUT> GEMS_FN void load(Held& h, i64 first, int from_j = 0, int to_j = COUNT) {
    if constexpr (K < NT) {
      if constexpr (row_role<F>(K) == ROLE && given<K>) {
        typedef nth<K, T...> X;
        auto& d = pack_of<K>(h);
#pragma unroll
        for (int j = from_j; j < to_j; j++) {
          i64 pack = first + (i64)j * team.size();
          if (FULL || pack < packs) {
            const auto* from = input<K>() + at<K>(pack);
            if constexpr (cached && ROLE == 'r') d[j] = load_pack_once<VEC, X>(from);
            else d[j] = load_pack<VEC, X>(from);
          } else d[j] = Vec<X, VEC>{};
        }
      }
      load<ROLE, K + 1>(h, first, from_j, to_j);
    }
  }

  // One element of the row.
  struct Elem {
    Row& r;
    Held &rows, &vectors;
    int j, i;
    GEMS_FN A operator()(int k) const { return get<0>(k); }
    template <int K> GEMS_FN A get(int k) const {
      if constexpr (K >= NIN) return A(0);
      else return k == K ? value<NOUT + K>() : get<K + 1>(k);
    }
    template <int K> GEMS_FN A value() const {
      if constexpr (!given<K>) return A(0);
      else if constexpr (row_role<F>(K) == 'r') return element<A>(pack_of<K>(rows)[j], i);
      else if constexpr (row_role<F>(K) == 'v') return element<A>(pack_of<K>(vectors)[j], i);
      else return r.stats[K - NOUT];
    }
  };

  // Calls g(pack index, held pack j, is it inside, elem) for this thread's packs; elem(i) is element i of the pack.
  template <class G> GEMS_FN void each(G g) {
    if constexpr (cached) {
      keep_packed();
      Held vectors;  // the loads of what g doesn't use vanish
#pragma unroll
      for (int j = 0; j < COUNT; j++) {
        // Two packs of weights at a time: all at once cost layer_norm 80 registers a thread (bfloat16, 4 packs), a block less.
        if (!EARLY && j % 2 == 0) load<'v'>(vectors, team.rank(), j, j + 2 < COUNT ? j + 2 : COUNT);
        i64 pack = team.rank() + (i64)j * team.size();
        g(pack, j, FULL || pack < packs, [&](int i) { return Elem{*this, rows, EARLY ? weights : vectors, j, i}; });
      }
    } else {
      for (i64 first = team.rank(); first < packs; first += (i64)COUNT * team.size()) {
        Held held, vectors;
        load<'r'>(held, first);
        load<'v'>(vectors, first);
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
          i64 pack = first + (i64)j * team.size();
          g(pack, j, pack < packs, [&](int i) { return Elem{*this, held, vectors, j, i}; });
        }
      }
    }
  }

  // The compiler would rather keep exp(e), or e as a float, of each element from one pass to the next than compute it again.
  // Good for softmax with 32 elements a thread (48 registers), bad for more elements or where computing is cheap: layer_norm
  // takes 80 registers. Then the passes must not know of each other.
  static constexpr bool recompute = COUNT * VEC > 32 || (COUNT * VEC >= 16 && (VEC == 1 || has_weights<F>()));
  template <int K = NOUT> GEMS_FN void keep_packed() {
    if constexpr (recompute && K < NT) {
      if constexpr (row_role<F>(K) == 'r' && given<K>)
        for (auto& p : pack_of<K>(rows)) opaque(p);
      if constexpr (EARLY && row_role<F>(K) == 'v' && given<K>)
        for (auto& p : pack_of<K>(weights)) opaque(p);
      keep_packed<K + 1>();
    }
  }

  // Asks for the weights before the grid in front has ended. Should that one write them, L2 has what it wrote.
  template <int K> GEMS_FN void prefetch_weights() const {
    if constexpr (K < NT) {
      constexpr int bytes = (int)sizeof(Vec<nth<K, T...>, VEC>);
      if constexpr (row_role<F>(K) == 'v' && given<K> && bytes % 16 == 0)
        prefetch_l2(input<K>(), packs < (1 << 16) / bytes ? (u32)packs * bytes : 1 << 16);
      prefetch_weights<K + 1>();
    }
  }

  template <int K> GEMS_FN void begin() {
    if constexpr (K < NT) {
      if constexpr (row_role<F>(K) == 's' && given<K>) stats[K - NOUT] = to<A>(input<K>()[off[K]]);
      else stats[K - NOUT] = A(0);
      if constexpr (K == NOUT && cached) {
        load<'r'>(rows, team.rank());
        if constexpr (EARLY) load<'v'>(weights, team.rank());
      }
      begin<K + 1>();
    }
  }

  template <class G, class Op> GEMS_FN A fold(G f, A none, Op op) {
    A acc[SUMS];
#pragma unroll
    for (A& x : acc) x = none;
    each([&](i64, int j, bool inside, auto elem) {
#pragma unroll
      for (int i = 0; i < VEC; i++) {
        A x = f(elem(i));
        A& s = acc[(j * VEC + i) % SUMS];
        s = op(s, inside ? x : none);
      }
    });
#pragma unroll
    for (int k = 1; k < SUMS; k *= 2)
#pragma unroll
      for (int i = 0; i + k < SUMS; i += 2 * k) acc[i] = op(acc[i], acc[i + k]);
    return team.combine(acc[0], none, op);
  }

  // ---- the functor's interface (docs/design.md, "Families") ----
  GEMS_FN A n() const { return number<A>(a.length); }
  GEMS_FN A par(int i) const { return number<A>(a.par[i]); }
  GEMS_FN constexpr bool has(int k) const { return (GIVEN >> (NOUT + k) & 1) != 0; }
  GEMS_FN A stat(int k) const { return stats[k]; }
  template <class G> GEMS_FN A sum(G f) {
    return fold(f, A(0), [](A x, A y) { return x + y; });
  }
  // A NaN may or may not win; a row's -inf is a fine result.
  template <class G> GEMS_FN A max(G f) {
    return fold(f, lowest<A>(), [](A x, A y) { return x > y ? x : y; });
  }
  template <class G> GEMS_FN void store(int o, G f) { store_to<0>(o, f); }
  GEMS_FN void store_stat(int o, A value) { store_stat_to<0>(o, value); }
  template <class G> GEMS_FN void update(int k, int o, G f) { update_to<0>(k, o, f); }

  // The functor's numbers become template arguments: the comparisons vanish when everything is inlined.
  template <int O, class G> GEMS_FN void store_to(int o, G f) {
    if constexpr (O < NOUT) {
      if (o == O) write<O>(f, [](int, const auto&) {});
      else store_to<O + 1>(o, f);
    }
  }
  template <int O> GEMS_FN void store_stat_to(int o, A value) {
    if constexpr (O < NOUT) {
      if constexpr (given<O> && row_role<F>(O) == 's') {
        if (o == O && active && team.rank() == 0) ((nth<O, T...>*)a.p[O])[off[O]] = to<nth<O, T...>>(value);
      }
      store_stat_to<O + 1>(o, value);
    }
  }
  template <int O, class G> GEMS_FN void update_to(int k, int o, G f) {
    if constexpr (O < NOUT) {
      if (o == O) update_input<O, NOUT>(k, f);
      else update_to<O + 1>(k, o, f);
    }
  }
  template <int O, int K, class G> GEMS_FN void update_input(int k, G f) {
    if constexpr (K < NT) {
      if constexpr (is_same<nth<O, T...>, nth<K, T...>> && row_role<F>(K) == 'r') {
        if (k == K - NOUT) {
          write<O>(f, [&](int j, const auto& pack) {
            if constexpr (cached) pack_of<K>(rows)[j] = pack;
          });
          if constexpr (!cached) {  // this thread reads back only what it wrote itself
            in[K - NOUT] = a.p[O];
            off[K] = off[O];
            step[K] = step[O];
          }
        }
      }
      update_input<O, K + 1>(k, f);
    }
  }
  template <int O, class G, class Then> GEMS_FN void write(G f, Then then) {
    if constexpr (given<O> && row_role<F>(O) == 'r') {
      typedef nth<O, T...> X;
      each([&](i64 pack, int j, bool inside, auto elem) {
        A x[VEC];
#pragma unroll
        for (int i = 0; i < VEC; i++) x[i] = f(elem(i));
        Vec<X, VEC> p = store_vec<X>(x);
        if (active && inside) *reinterpret_cast<Vec<X, VEC>*>((X*)a.p[O] + at<O>(pack)) = p;
        then(j, p);
      });
    }
  }
};

template <int NT> GEMS_FN i64 row_count(const RowArgs<NT>& a) { return a.kept.rows; }
template <int NT> GEMS_FN i64 row_count(const DenseRowArgs<NT>& a) { return a.rows; }
template <class F, int NT> GEMS_FN void row_offsets(const RowArgs<NT>& a, i64 row, i64 (&off)[NT]) {
  kept_offsets(a.kept, row, off);
}
template <class F, int NT> GEMS_FN void row_offsets(const DenseRowArgs<NT>& a, i64 row, i64 (&off)[NT]) {
#pragma unroll
  for (int k = 0; k < NT; k++) off[k] = row_role<F>(k) == 'v' ? 0 : row * a.stride[k];
}

template <class F, class A, class TeamT, int VPT, int VEC, bool FULL, bool EARLY, unsigned GIVEN, class Args, class... T>
GEMS_FN void row(const Args& a) {
  typedef Row<F, A, TeamT, VPT, VEC, FULL, EARLY, GIVEN, Args, T...> R;
  R r(a);
  const i64 teams = r.team.count(), rows = row_count(a);
  for (i64 base = blockIdx.x * teams;; base += gridDim.x * teams) {
    const i64 row = base + r.team.index();
    // Idle teams work on the last row, without storing: barriers are for all. A dense grid has a team for every row.
    r.active = (Args::dense && TeamT::block) || row < rows;
    row_offsets<F>(a, r.active ? row : rows - 1, r.off);
#pragma unroll
    for (int k = 0; k < R::NT; k++) {
      if constexpr (Args::dense) r.step[k] = 1;
      else r.step[k] = a.step[k];
    }
#pragma unroll
    for (int k = 0; k < R::NIN; k++) r.in[k] = a.p[R::NOUT + k];
    if (Args::dense && row == 0 && r.team.rank() == 0) r.template prefetch_weights<R::NOUT>();
    const bool first = Args::dense || base == blockIdx.x * teams;
    if (first) wait_for_previous();
    r.template begin<R::NOUT>();
    // Not sooner: several grids that wait fill the multiprocessors unevenly (norms of 1024 rows in a chain: 4.4 us, else 4.9).
    if (first) let_next_start();
    F{}(r);
    if (Args::dense || base + gridDim.x * teams >= rows) break;
  }
}

}  // namespace gems::simt
