export { type Provider, providers } from "../ports/provider.js";
export { budgetLimits } from "./budget-limits.js";
export { type NodeHostOptions, nodeHost } from "./node-host.js";
export { isWithinHours, parseBudget, type ResourceBudget, resourceBudgetSchema } from "./resource-budget.js";
export { WorkGate, type WorkGateOptions } from "./work-gate.js";
