import { useState } from "preact/hooks";
import { type Answers, act, Refused } from "../api.js";
import { count } from "../format.js";
import { Card } from "../parts/card.js";
import { ConfirmButton } from "../parts/confirm-button.js";
import { Facts } from "../parts/facts.js";
import { Failure } from "../parts/failure.js";
import { Field } from "../parts/field.js";
import { Pill, type Tone } from "../parts/pill.js";
import { useResource } from "../use-resource.js";
import { RolloutStart } from "./rollout-start.js";

type Status = NonNullable<Answers["/rollout"]["rollout"]>;

const phases: Readonly<Record<Status["phase"], readonly [Tone, string]>> = {
	none: ["plain", "none"],
	running: ["busy", "running"],
	halted: ["warn", "halted"],
	"rolled-back": ["bad", "rolled back"],
};

/** A staged roll-out, and what an operator may do with it. */
export function Rollout({ mayAct }: { mayAct: boolean }) {
	const { value, reload } = useResource("/rollout", ["models"]);
	if (value === undefined) return null;
	const { rollout } = value;
	if (rollout === null) {
		return (
			<Card title="Roll-out" wide>
				<p class="muted">
					A cloud that serves rolls a new model out step by step: <code>psgl cloud --rounds 0</code>. This one trains.
				</p>
			</Card>
		);
	}
	const [tone, name] = phases[rollout.phase];
	const under = rollout.phase === "running" || rollout.phase === "halted";
	return (
		<Card title="Roll-out" wide aside={<Pill tone={tone}>{name}</Pill>}>
			{rollout.phase === "none" ? (
				<p class="muted">Every device gets the model above.</p>
			) : (
				<>
					<Progress of={rollout} />
					<Facts
						of={[
							["Candidate", <code key="candidate">{rollout.candidate}</code>],
							["Stable", <code key="stable">{rollout.stable}</code>],
							["Share of the devices", `${rollout.percentage} %`],
							["Failed on", rollout.failed.join(", ") || "no device"],
							...(rollout.reason === null
								? []
								: [["Rolled back", `${rollout.automatic ? "by itself: " : ""}${rollout.reason}`] as const]),
						]}
					/>
				</>
			)}
			{mayAct && (under ? <Orders of={rollout} onDone={reload} /> : <RolloutStart onDone={reload} />)}
		</Card>
	);
}

/** Devices by what became of the candidate, beside one another. */
function Progress({ of: { devices } }: { of: Status }) {
	const parts = [
		["confirmed", devices.confirmed],
		["trial", devices.trial],
		["offered", devices.offered],
		["failed", devices.failed],
	] as const;
	const all = parts.reduce((sum, [, number]) => sum + number, 0);
	let x = 0;
	return (
		<figure class="shares">
			<svg
				role="img"
				aria-label={parts.map(([state, number]) => `${number} ${state}`).join(", ")}
				viewBox="0 0 100 4"
				preserveAspectRatio="none"
			>
				<rect class="rest" width="100" height="4" />
				{parts.map(([state, number]) => {
					const width = all === 0 ? 0 : (100 * number) / all;
					x += width;
					return <rect key={state} class={state} x={x - width} width={width} height="4" />;
				})}
			</svg>
			<ul class="legend">
				{parts.map(([state, number]) => (
					<li key={state}>
						<span class={`swatch ${state}`} aria-hidden="true" />
						{state} <b>{count(number)}</b>
					</li>
				))}
			</ul>
		</figure>
	);
}

function Orders({ of: rollout, onDone }: { of: Status; onDone: () => void }) {
	const [failure, setFailure] = useState<Refused>();
	const order = async (path: string, body?: unknown) => {
		await act("POST", `/rollout/${path}`, body);
		setFailure(undefined);
		onDone();
	};
	const submit = async (event: SubmitEvent) => {
		event.preventDefault();
		const form = new FormData(event.currentTarget as HTMLFormElement);
		try {
			await order("percentage", { percentage: Number(form.get("percentage")) });
		} catch (error) {
			if (error instanceof Refused) setFailure(error);
		}
	};
	return (
		<form class="row orders" onSubmit={submit}>
			<Field
				label="Per cent of the devices"
				name="percentage"
				type="number"
				min={0}
				max={100}
				required
				defaultValue={String(rollout.percentage)}
			/>
			<button type="submit" class="solid">
				{rollout.phase === "halted" ? "Go on" : "Set"}
			</button>
			{rollout.phase === "running" && (
				<ConfirmButton label="Halt" title="Halt the roll-out?" act={() => order("halt")}>
					No further device gets the candidate; those that have it keep it.
				</ConfirmButton>
			)}
			<ConfirmButton
				label="Roll back"
				title="Roll back?"
				danger
				act={() => order("rollback", { reason: "ordered on the operations page" })}
			>
				Every device gets the stable model back.
			</ConfirmButton>
			<Failure of={failure} />
		</form>
	);
}
