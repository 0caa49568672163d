#include "kernels/lang/lang.h"
struct eye {
  static constexpr gems::decl decl{.aten = "eye eye.m=eye_m eye.out eye.m_out=eye_m_out",
                                   .fam = gems::family::create,
                                   .in = 0,
                                   .types = "",
                                   .doc = "ones on the diagonal"};
};
