import { ConfigError } from "@psgl/sdk";
import type { CutCandidate } from "./list-cuts.js";

/** What a device can bear, for one sample; a limit left out does not count. */
export interface CutLimits {
	/** Bytes of smashed data in the type of the wire. */
	readonly maxBytes?: number | undefined;
	/** Millions of operations of the client segment going forward. */
	readonly maxClientMflop?: number | undefined;
	/** Bytes of activations in training. */
	readonly maxClientMemory?: number | undefined;
}

export interface ChosenCut {
	readonly candidate: CutCandidate;
	/** Why this one, in a sentence. */
	readonly why: string;
}

type WireType = keyof CutCandidate["bytesUp"];

/**
 * The cheapest cut within limits: the least sum of the bytes sent as a share of the input's (one byte a value) and of
 * the operations on the device as a share of the model's.
 *
 * @throws ConfigError `PSGL_CUT_NONE_FITS` naming the limits that exclude every cut
 */
export function chooseCut(
	candidates: readonly CutCandidate[],
	inputValues: number,
	limits: CutLimits,
	wire: WireType,
): ChosenCut {
	const measures = [
		{ name: "--max-bytes", limit: limits.maxBytes, of: (c: CutCandidate) => c.bytesUp[wire] },
		{ name: "--max-client-mflop", limit: limits.maxClientMflop, of: (c: CutCandidate) => c.forwardMflop },
		{ name: "--max-client-memory", limit: limits.maxClientMemory, of: (c: CutCandidate) => c.activationBytes },
	];
	const fits = (c: CutCandidate) => measures.every(({ limit, of }) => limit === undefined || of(c) <= limit);
	const cost = (c: CutCandidate) => c.bytesUp[wire] / inputValues + c.clientShare;
	const fitting = candidates.filter(fits).sort((a, b) => cost(a) - cost(b));
	const [candidate] = fitting;
	if (candidate === undefined) {
		const excluding = measures.flatMap(({ name, limit, of }) => {
			const least = Math.min(...candidates.map(of));
			return limit !== undefined && least > limit ? [`${name} ${limit}: no cut is below ${rounded(least)}`] : [];
		});
		throw new ConfigError("PSGL_CUT_NONE_FITS", {
			what: "no cut of the model is within the limits",
			got:
				candidates.length === 0
					? "a model without a place to cut"
					: excluding.join("; ") || "limits each cut can meet, but none all",
			remedy: "Raise the limit; psgl compile --onnx FILE --list-cuts shows what each cut takes",
		});
	}
	const bytes = candidate.bytesUp[wire];
	return {
		candidate,
		why: `of ${candidates.length} cuts ${fitting.length} are within the limits; this one is the cheapest: ${bytes} bytes up as ${wire} (${rounded(bytes / inputValues)} of the input's) and ${rounded(100 * candidate.clientShare)} % of the model's operations on the device`,
	};
}

const rounded = (value: number): string => String(Number(value.toPrecision(3)));
