import { count, figure, moment } from "../format.js";
import { Card } from "../parts/card.js";
import { Facts } from "../parts/facts.js";
import { Failure } from "../parts/failure.js";
import { Pill, type Tone } from "../parts/pill.js";
import { Table } from "../parts/table.js";
import type { ViewProps } from "../shell.js";
import { useResource } from "../use-resource.js";
import { Rollout } from "./rollout.js";

const tones: Readonly<Record<string, Tone>> = {
	"in use": "plain",
	sent: "plain",
	trial: "busy",
	confirmed: "good",
	rejected: "bad",
	"rolled-back": "warn",
};

/** The model, who signed it, and who has it. */
export function Models({ user }: ViewProps) {
	const { value, failure } = useResource("/models", ["devices", "run", "models"]);
	if (value === undefined) return <Failure of={failure} />;
	const { current, weights, onDevices } = value;
	const { signed } = current;
	return (
		<div class="grid">
			<Card title={current.name} aside={<Pill tone="plain">version {current.version}</Pill>}>
				<Facts
					of={[
						["Weights now", count(weights)],
						["Network", current.network],
						["Privacy mode", current.privacy ?? "not named"],
						["Classes", current.classes.join(", ")],
						["Input", current.inputShape.join(" × ")],
						["Smashed data", shapeOf(current.smashedShape, current.codeBits)],
						["Streams", current.streams.join(", ")],
						["Recovery", current.recovery],
						["Map budget", current.mapBudget === null ? "no map" : figure(current.mapBudget, 2)],
						["Robust budget", current.robustBudget === 0 ? "none" : figure(current.robustBudget, 4)],
						["Release", current.release],
						["Bits of a record", current.budgetBits === null ? "no budget" : `at most ${count(current.budgetBits)}`],
						...(current.note === null ? [] : [["Note", current.note] as const]),
					]}
				/>
			</Card>
			<Card
				title="Signatures"
				aside={
					signed === null ? (
						<Pill tone="warn">not signed</Pill>
					) : (
						<Pill tone={signed.valid ? "good" : "bad"}>{signed.valid ? "signed" : "too few signatures"}</Pill>
					)
				}
			>
				{signed === null ? (
					<p class="muted">
						Devices that were given roots take no unsigned model. <code>psgl models sign</code> signs one.
					</p>
				) : (
					<Facts
						of={[
							["Signed by", signed.signers.join(", ") || "nobody of the root"],
							["Needed", `${signed.threshold} signers of root ${signed.root}`],
							["Release", count(signed.counter)],
							["Valid until", moment(signed.expires)],
						]}
					/>
				)}
				<Facts
					of={[
						["Client half", <code key="digest">{current.clientDigest}</code>],
						["Bytes", count(current.clientBytes)],
					]}
				/>
			</Card>
			<Rollout mayAct={user.role === "operator"} />
			<Card title="On devices" wide>
				<Table
					label="Models on devices"
					rows={onDevices}
					keyOf={({ digest, state }) => digest + state}
					empty="No device was sent a model yet; those that have one from before are not asked."
					columns={[
						{ title: "Client half", cell: ({ digest }) => <code>{digest}</code> },
						{ title: "State", cell: ({ state }) => <Pill tone={tones[state] ?? "plain"}>{state}</Pill> },
						{ title: "Devices", number: true, cell: ({ devices }) => count(devices) },
					]}
				/>
			</Card>
		</div>
	);
}

function shapeOf(shape: readonly number[], codeBits: number | null): string {
	return codeBits === null ? shape.join(" × ") : `a code of ${codeBits} bits`;
}
