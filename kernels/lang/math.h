// Math for device functions: branch-free scalar text that g++ vectorises for each instruction set; on a GPU CUDA's own functions.
#pragma once
#include "kernels/lang/base.h"

namespace gems {

template<class T> struct bits_of; template<> struct bits_of<float>{using type=int;}; template<> struct bits_of<double>{using type=long long;};
template<class V> using bits_t = typename bits_of<V>::type;
template<class V> struct elem_of { using type=V; }; template<class V> using elem_t = typename elem_of<V>::type;
template<class V> GEMS_FN V abs(V x){ if constexpr(!is_float<V>) return x < 0 ? -x : x; else return from_bits(to_bits(x) & bits_t<V>(sizeof(elem_t<V>)==4?0x7fffffffLL:0x7fffffffffffffffLL)); }
template<class V> GEMS_FN V copysign(V m, V s){ auto k=bits_t<V>(sizeof(elem_t<V>)==4?(long long)(int)0x80000000:(long long)0x8000000000000000ULL);
  return from_bits((to_bits(m) & ~k) | (to_bits(s) & k)); }
template<class V> GEMS_FN V min(V a,V b){ return select(a<b,a,b);} template<class V> GEMS_FN V max(V a,V b){ return select(a>b,a,b);}
#if GEMS_DEVICE
GEMS_FN float fma_(float a,float b,float c){ return fmaf(a,b,c);} GEMS_FN double fma_(double a,double b,double c){ return fma(a,b,c);}
#else
GEMS_FN float fma_(float a,float b,float c){ return __builtin_fmaf(a,b,c);} GEMS_FN double fma_(double a,double b,double c){ return __builtin_fma(a,b,c);}
#endif
template<class V> constexpr bool is32 = sizeof(elem_t<V>)==4;
template<class V> GEMS_FN V infv(){ return from_bits(bits_t<V>(is32<V>?0x7f800000LL:0x7ff0000000000000LL)); }
template<class V> GEMS_FN V nanv(){ return from_bits(bits_t<V>(is32<V>?0x7fc00000LL:0x7ff8000000000000LL)); }
template<class V> GEMS_FN V poly(V, double c){ return V(c); }
template<class V,class...C> GEMS_FN V poly(V x, double c, C... r){ return poly(x,r...)*x + V(c); }
template<class V> GEMS_FN V round_magic(V x, bits_t<V>& n){ const V M = is32<V>? V(12582912.0) : V(6755399441055744.0);
  V t = x + M; n = to_bits(t) - to_bits(M); return t - M; }
template<class V> GEMS_FN V pow2i(bits_t<V> n){ return is32<V> ? from_bits((n + bits_t<V>(127)) << 23) : from_bits((n + bits_t<V>(1023)) << 52); }
// p = expm1(r), n: exp(x) = 2^n (1+p)
template<class V> GEMS_FN V exp_core(V x, bits_t<V>& n){
  V k = round_magic(x*V(1.4426950408889634), n);
  V r = is32<V> ? (x - k*V(0.693359375)) + k*V(2.12194440054690583e-4) : (x - k*V(6.93147180369123816490e-01)) - k*V(1.90821492927058770002e-10);
  if constexpr(is32<V>) return r + r*r*poly(r, 5.0000001201e-1,1.6666665459e-1,4.1665795894e-2,8.3334519073e-3,1.3981999507e-3,1.9875691500e-4);
  else return r + r*r*poly(r, 1/2.,1/6.,1/24.,1/120.,1/720.,1/5040.,1/40320.,1/362880.,1/3628800.,1/39916800.,1/479001600.,1/6227020800.); }
template<class V> GEMS_FN V exp(V x){
  V c = select(x > V(is32<V>?-104.:-746.), x, V(is32<V>?-104.:-746.)); c = select(c < V(is32<V>?89.:710.), c, V(is32<V>?89.:710.));
  bits_t<V> n; V p = exp_core(c, n); bits_t<V> h = n >> 1;
  V y = (p + V(1))*pow2i<V>(h)*pow2i<V>(n-h); return select(x==x, y, x); }
template<class V> GEMS_FN V log_core(V x, V& e, V& m){
  V t = select(x < V(is32<V>?1.17549435e-38:2.2250738585072014e-308), x*V(is32<V>?16777216.:18014398509481984.), x);
  V adj = select(x < V(is32<V>?1.17549435e-38:2.2250738585072014e-308), V(is32<V>?24.:54.), V(0.));
  auto b = to_bits(t);
  if constexpr(is32<V>){ auto k = (b - bits_t<V>(0x3f3504f3)) >> 23; m = from_bits(b - (k<<23)); const V M=V(12582912.0); e = from_bits(to_bits(M)+k) - M - adj; }
  else { auto k = (b - bits_t<V>(0x3fe6a09e667f3bcdLL)) >> 52; m = from_bits(b - (k<<52)); const V M=V(6755399441055744.0); e = from_bits(to_bits(M)+k) - M - adj; }
  return m; }
template<class V> GEMS_FN V log(V x){
  V e,m; log_core(x,e,m); V r;
  if constexpr(is32<V>){ V f=m-V(1), z=f*f; V p = poly(f, 3.3333331174e-1,-2.4999993993e-1,2.0000714765e-1,-1.6668057665e-1,1.4249322787e-1,-1.2420140846e-1,1.1676998740e-1,-1.1514610310e-1,7.0376836292e-2);
    r = f*z*p + e*V(-2.12194440e-4) - z*V(0.5); r = f + r + e*V(0.693359375); }
  else { V t=(m-V(1))/(m+V(1)), z=t*t; r = t*z*poly(z,2/3.,2/5.,2/7.,2/9.,2/11.,2/13.,2/15.,2/17.,2/19.) + e*V(1.90821492927058770002e-10) + (t+t) + e*V(6.93147180369123816490e-01); }
  const V inf=infv<V>();
  r = select(x == inf, x, r); r = select(x == V(0), -inf, r); return select(x >= V(0), r, nanv<V>()); }
template<class V> GEMS_FN V tanh(V x){
  V a = abs(x); V c = select(a < V(is32<V>?10.:20.), a, V(is32<V>?10.:20.)); bits_t<V> n; V p = exp_core(c+c,n); V s=pow2i<V>(n);
  V em = p*s + (s-V(1)); V r = copysign(em/(em+V(2)), x); return select(x==x,r,x); }
template<class V> GEMS_FN V sigmoid(V x){ return V(1)/(V(1)+exp(-x)); }
template<class V> GEMS_FN V erf(V x){
  V t=abs(x), s=x*x;
  V r = poly(t, 0.,-1.128717512,-6.34846687e-1,-1.06777877e-1,2.42546219e-2,-3.88396438e-3,3.83197126e-4,-1.72853470e-5); // r(t) - t
  r = select(t < V(4.), r, V(-20.));
  V big = copysign(V(1)-exp(r), x);
  V sm = x*poly(s,1.28379166e-1,-3.76125336e-1,1.12819925e-1,-2.67681349e-2,4.99119423e-3,-5.96761703e-4)+x;
  return select(t > V(0.927734375), big, sm); }   // double: placeholder of like size
template<class V> GEMS_FN V sin(V x){
  bits_t<V> q; V k = round_magic(x*V(0.63661977236758134),q); V r;
  if constexpr(is32<V>) r = ((x - k*V(1.57079601287841797e+0)) - k*V(3.1391647326017846e-7)) - k*V(5.3903029534742384e-15);
  else r = ((x - k*V(1.57079632673412561417e+00)) - k*V(6.07710050630396597660e-11)) - k*V(2.02226624879595063154e-21);
  V z=r*r, s, c;
  if constexpr(is32<V>){ s = r*z*poly(z,-1.6666654611e-1,8.3321608736e-3,-1.9515295891e-4)+r; c = z*z*poly(z,4.166664568298827e-2,-1.388731625493765e-3,2.443315711809948e-5) - V(.5)*z + V(1); }
  else { s = r*z*poly(z,-1/6.,1/120.,-1/5040.,1/362880.,-1/39916800.,1/6227020800.,-1/1307674368000.)+r; c = z*z*poly(z,1/24.,-1/720.,1/40320.,-1/3628800.,1/479001600.,-1/87178291200.)-V(.5)*z+V(1); }
  V y = select((q & bits_t<V>(1))==bits_t<V>(0), s, c); 
  return from_bits(to_bits(y) ^ ((q & bits_t<V>(2)) << (is32<V>?30:62))); }
template<class V> GEMS_FN V two_prod_err(V a, V b, V p){
#if defined(__FMA__) || GEMS_DEVICE
  return fma_(a,b,-p);
#else
  auto k=bits_t<V>(is32<V>?~0xfffLL:~0x7ffffffLL); V ah=from_bits(to_bits(a)&k), al=a-ah, bh=from_bits(to_bits(b)&k), bl=b-bh;
  return ((ah*bh-p)+ah*bl+al*bh)+al*bl;
#endif
}
template<class V> GEMS_FN V powc(V x, V y){ // x>=0 main path, float-float log
  V e,m; log_core(abs(x),e,m); V u=m-V(1), d=m+V(1), t=u/d; 
  V dl=(m-d)+V(1); V pr=t*d; V tl=((u-pr)-two_prod_err(t,d,pr) - t*dl)/d;
  V z=t*t; V q = t*z*poly(z,2/3.,2/5.,2/7.,2/9.,2/11.);
  V h0=t+t, l0=tl+tl; V eh=e*V(0.693359375), el=e*V(-2.12194440054690583e-4);
  V h=eh+h0; V bb=h-eh; V l=(eh-(h-bb))+(h0-bb)+l0+q+el; V h2=h+l; l = l-(h2-h); h=h2;
  V p=h*y, pl=two_prod_err(h,y,p)+l*y;
  V c=select(p>V(-104.),p,V(-104.)); c=select(c<V(89.),c,V(89.)); bits_t<V> n; V r=exp_core(c,n); bits_t<V> hh=n>>1;
  V b=r+V(1); b = b + b*pl; V res=b*pow2i<V>(hh)*pow2i<V>(n-hh);
  res=select(x==V(0),select(y>V(0),V(0),infv<V>()),res); return select(x>=V(0),res,nanv<V>()); }
}

// The functions below call the compiler's builtins: correct, not yet vectorised.
namespace gems {
template <class V> GEMS_FN V infinity() { return infv<V>(); }
#if GEMS_DEVICE
#define GEMS_LIBM(name) \
  GEMS_FN float name(float x) { return ::name##f(x); } \
  GEMS_FN double name(double x) { return ::name(x); }
#define GEMS_LIBM2(name) \
  GEMS_FN float name(float x, float y) { return ::name##f(x, y); } \
  GEMS_FN double name(double x, double y) { return ::name(x, y); }
GEMS_LIBM(rsqrt)
#else
#define GEMS_LIBM(name) \
  GEMS_FN float name(float x) { return __builtin_##name##f(x); } \
  GEMS_FN double name(double x) { return __builtin_##name(x); }
#define GEMS_LIBM2(name) \
  GEMS_FN float name(float x, float y) { return __builtin_##name##f(x, y); } \
  GEMS_FN double name(double x, double y) { return __builtin_##name(x, y); }
template <class V> GEMS_FN V rsqrt(V x) { return V(1) / V(sizeof(V) == 4 ? __builtin_sqrtf(x) : __builtin_sqrt(x)); }
#endif
GEMS_LIBM(sqrt)
GEMS_LIBM(floor)
GEMS_LIBM(ceil)
GEMS_LIBM(trunc)
GEMS_LIBM(rint)
GEMS_LIBM(exp2)
GEMS_LIBM(expm1)
GEMS_LIBM(log2)
GEMS_LIBM(log10)
GEMS_LIBM(log1p)
GEMS_LIBM(cos)
GEMS_LIBM(tan)
GEMS_LIBM2(pow)
GEMS_LIBM2(fmod)
#undef GEMS_LIBM
#undef GEMS_LIBM2
template <class V> GEMS_FN V round(V x) { return rint(x); }

template <class V> GEMS_FN V maximum(V a, V b) { return select(a > b || a != a, a, b); }
template <class V> GEMS_FN V minimum(V a, V b) { return select(a < b || a != a, a, b); }
template <class V> GEMS_FN V fmax(V a, V b) { return select(a > b || b != b, a, b); }
template <class V> GEMS_FN V fmin(V a, V b) { return select(a < b || b != b, a, b); }

template <class V> GEMS_FN V remainder(V x, V y) {
  V r = fmod(x, y);
  return r != V(0) && ((y < V(0)) != (r < V(0))) ? r + y : r;
}
template <class V> GEMS_FN V floor_divide(V x, V y) {
  if (y == V(0)) return x / y;
  V m = fmod(x, y), q = (x - m) / y;
  if (m != V(0) && ((y < V(0)) != (m < V(0)))) q -= V(1);
  if (q == V(0)) return copysign(V(0), x / y);
  V f = floor(q);
  return q - f > V(0.5) ? f + V(1) : f;
}

template <class V> GEMS_FN V silu(V x) { return x / (V(1) + exp(-x)); }
template <class V> GEMS_FN V gelu(V x) { return V(0.5) * x * (V(1) + erf(x * V(0.70710678118654752440))); }
template <class V> GEMS_FN V gelu_tanh(V x) {
  V u = V(0.79788456080286535588) * (x + V(0.044715) * x * x * x);
  return V(0.5) * x * (V(1) + tanh(u));
}
template <class V> GEMS_FN V gelu_slope(V x) {
  V cdf = V(0.5) * (V(1) + erf(x * V(0.70710678118654752440)));
  return cdf + x * V(0.39894228040143267794) * exp(V(-0.5) * x * x);
}
template <class V> GEMS_FN V gelu_tanh_slope(V x) {
  const V beta = V(0.79788456080286535588), kappa = V(0.044715);
  V x2 = x * x, t = tanh(beta * (x + kappa * x2 * x));
  return V(0.5) * (V(1) + t) + V(0.5) * x * (V(1) - t * t) * beta * (V(1) + V(3) * kappa * x2);
}
}  // namespace gems
