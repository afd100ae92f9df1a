import { operators } from "../operators/registry.js";
import { compositions } from "./compositions.js";
import { readableOpsets } from "./normalise-opset.js";

/** What psgl has of one ONNX operator. */
export interface OperatorSupport {
	/** ONNX operator type. */
	readonly type: string;
	/** First opset it is read from. */
	readonly since: number;
	/** Last opset it is read from. */
	readonly until: number;
	/** What of the ONNX operator psgl does not have; empty where it has all. */
	readonly limits: string;
	/** Whether it is read as several other operators. */
	readonly composed: boolean;
}

/** Every operator psgl reads, by name. */
export function operatorSupport(): readonly OperatorSupport[] {
	const { first, last: until } = readableOpsets;
	const own = operators.map((operator) => ({ ...operator, composed: false }));
	const composed = Object.entries(compositions).map(([type, composition]) => ({
		type,
		...composition,
		composed: true,
	}));
	return [...own, ...composed]
		.map(({ type, since = first, limits = "", composed: several }) => ({
			type,
			since,
			until,
			limits,
			composed: several,
		}))
		.sort((a, b) => (a.type < b.type ? -1 : 1));
}
