/**
 * Gradient through a recovery. `straight-through`: that of the identity, as if recovery had added a constant, which is
 * what training uses. `exact`: through the iterations, which is what an attacker who knows the recovery uses.
 */
export type RecoveryGradient = "straight-through" | "exact";
