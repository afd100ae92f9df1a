/** What a process of psgl cloud does for a run that lies on a store; `all` but the page, unless it has a port. */
export const cloudRoles = ["all", "ingress", "aggregator", "web"] as const;

export type CloudRole = (typeof cloudRoles)[number];
