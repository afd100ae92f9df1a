import type { z } from "zod";
import type { Role } from "../../src/operations/access/user.js";
import type { AuditFile, auditFigures, auditPictures } from "../../src/operations/board/audit-files.js";
import type { DeviceFigures } from "../../src/operations/board/device-board.js";
import type { ModelFacts } from "../../src/operations/board/model-facts.js";
import type { RoundFigures, RunState, StepFigures } from "../../src/operations/board/run-board.js";
import type { LogFigures, PartitionFigures } from "../../src/operations/board/storage-figures.js";
import type { RolloutStatus } from "../../src/rollout/rollout.js";

/** Who is logged in. */
export interface Identity {
	readonly name: string;
	readonly role: Role;
}

/** Answers of the HTTP API by path, as /api/v1/openapi.json describes them. */
export interface Answers {
	readonly "/session": { readonly user: Identity | null; readonly usersExist: boolean };
	readonly "/run": {
		readonly program: string;
		readonly model: string;
		readonly state: RunState;
		readonly endReason: string | null;
		readonly round: number;
		readonly roundsPlanned: number;
		readonly weights: number;
		readonly devicesOnline: number;
		readonly devicesNeeded: number;
		readonly bytesUp: number;
		readonly bytesDown: number;
		readonly streams: readonly string[];
		readonly settings: Readonly<Record<string, unknown>>;
		readonly partitions: readonly PartitionFigures[];
	};
	readonly "/run/rounds": { readonly rounds: readonly RoundFigures[] };
	readonly "/run/steps": { readonly steps: readonly StepFigures[] };
	readonly "/devices": { readonly devices: readonly DeviceFigures[] };
	readonly [twin: `/devices/${string}/twin`]: {
		readonly desired: { readonly version: number; readonly settings: Readonly<Record<string, unknown>> } | null;
		readonly reported: {
			readonly version: number;
			readonly settings: Readonly<Record<string, unknown>>;
			readonly errors: Readonly<Record<string, string>>;
		} | null;
	};
	readonly "/models": {
		readonly current: ModelFacts;
		readonly weights: number;
		readonly onDevices: readonly { readonly digest: string; readonly state: string; readonly devices: number }[];
	};
	readonly "/rollout": {
		readonly rollout: {
			readonly phase: RolloutStatus["phase"];
			readonly stable: string;
			readonly candidate: string | null;
			readonly percentage: number;
			readonly reason: string | null;
			readonly automatic: boolean;
			readonly devices: RolloutStatus["devices"];
			readonly failed: readonly string[];
		} | null;
	};
	readonly "/rollout/candidates": {
		readonly candidates: readonly { readonly file: string; readonly bytes: number; readonly at: string }[];
	};
	readonly "/privacy/audit": { readonly at: string; readonly audit: z.output<typeof auditFigures> };
	readonly "/privacy/pictures": { readonly at: string; readonly pictures: z.output<typeof auditPictures> };
	readonly "/storage": {
		readonly logs: readonly LogFigures[];
		readonly checkpoints: readonly { readonly file: string; readonly bytes: number; readonly at: string | null }[];
	};
	readonly "/trail?last=100": {
		readonly entries: readonly ({ readonly seq: number; readonly at: string; readonly event: string } & Readonly<
			Record<string, unknown>
		>)[];
	};
	readonly "/users": { readonly users: readonly (Identity & { readonly changedAt: string })[] };
}

/** Figures of an audit as the API gives them. */
export type Audit = AuditFile<z.output<typeof auditFigures>>["content"];

/** Pictures of an audit. */
export type Pictures = AuditFile<z.output<typeof auditPictures>>["content"];

/** What the API said was wrong. */
export class Refused extends Error {
	readonly status: number;
	readonly code: string;
	readonly path: string | undefined;
	readonly remedy: string | undefined;

	constructor(
		status: number,
		{ code, what, got, expected, path, remedy }: Readonly<Record<string, string | undefined>>,
	) {
		const parts = [what ?? `the answer was ${status}`, got && `got ${got}`, expected && `expected ${expected}`];
		super(parts.filter((part) => part).join("; "));
		this.status = status;
		this.code = code ?? "";
		this.path = path;
		this.remedy = remedy;
	}
}

/** Asks the API. @throws Refused; TypeError when the cloud cannot be reached. */
export function ask<P extends keyof Answers>(path: P, signal?: AbortSignal): Promise<Answers[P]> {
	return request("GET", path, undefined, signal) as Promise<Answers[P]>;
}

/** Has the API do something. @throws Refused; TypeError when the cloud cannot be reached. */
export function act<T = unknown>(method: "POST" | "DELETE", path: string, body?: unknown): Promise<T> {
	return request(method, path, body) as Promise<T>;
}

async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
	const response = await fetch(`/api/v1${path}`, {
		method,
		headers: { "Psgl-Request": "1", ...(body !== undefined && { "Content-Type": "application/json" }) },
		...(body !== undefined && { body: JSON.stringify(body) }),
		...(signal !== undefined && { signal }),
	});
	const answer: unknown = await response.json().catch(() => ({}));
	if (!response.ok) throw new Refused(response.status, answer as Record<string, string>);
	return answer;
}
