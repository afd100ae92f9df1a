/** How much work an audit puts into its attacks. */
export interface AuditBudget {
	/** Samples whose releases are attacked. */
	readonly victims: number;
	/** Victims of attacks that optimise each sample by itself. */
	readonly optimisedVictims: number;
	/** Most samples of its own the attacker learns from. */
	readonly attackerSamples: number;
	/** Most samples the kernel-ridge decoder keeps. */
	readonly kernelSamples: number;
	readonly decoderSteps: number;
	readonly inversionSteps: number;
	/** Victims of attacks on gradients, which take one after the other. */
	readonly gradientVictims: number;
	readonly gradientSteps: number;
	/** Steps of a hijacking or simulating aggregator. */
	readonly hijackSteps: number;
	/** Steps of training on the device, and as many of the aggregator on the codes, for each width of a sweep. */
	readonly codeSteps: number;
	/** Training steps of the undefended network everything is measured against. */
	readonly undefendedSteps: number;
	/** Candidates in linkage. */
	readonly candidates: number;
}

export type AuditBudgetName = "quick" | "standard" | "thorough";

/** Quick: within two minutes on two cores for pictures of 28x28. The others: docs/privacy.md. */
export const auditBudgets: Readonly<Record<AuditBudgetName, AuditBudget>> = {
	quick: {
		victims: 64,
		optimisedVictims: 16,
		attackerSamples: 1200,
		kernelSamples: 1000,
		decoderSteps: 400,
		inversionSteps: 400,
		gradientVictims: 4,
		gradientSteps: 200,
		hijackSteps: 200,
		codeSteps: 600,
		undefendedSteps: 200,
		candidates: 256,
	},
	standard: {
		victims: 128,
		optimisedVictims: 32,
		attackerSamples: 4000,
		kernelSamples: 1500,
		decoderSteps: 2000,
		inversionSteps: 1000,
		gradientVictims: 8,
		gradientSteps: 300,
		hijackSteps: 1000,
		codeSteps: 2000,
		undefendedSteps: 600,
		candidates: 256,
	},
	thorough: {
		victims: 256,
		optimisedVictims: 64,
		attackerSamples: 20_000,
		kernelSamples: 2000,
		decoderSteps: 8000,
		inversionSteps: 3000,
		gradientVictims: 16,
		gradientSteps: 1000,
		hijackSteps: 5000,
		codeSteps: 5000,
		undefendedSteps: 2000,
		candidates: 256,
	},
};
