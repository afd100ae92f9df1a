export { disclosuresOf, smashedBits } from "./disclosure-cost.js";
export { DisclosureLedger, type DisclosureLedgerOptions } from "./disclosure-ledger.js";
export { ledgerLimits } from "./ledger-limits.js";
export type { LedgerRecord } from "./ledger-record.js";
export { recordDigests } from "./record-digest.js";
export type { ReleasePermit } from "./release-permit.js";
export type { CodeIdentity, Disclosure, LabelDisclosure, LeftOut } from "./release-rules.js";
