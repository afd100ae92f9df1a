import type { RoundFigures, StepFigures } from "../../../src/operations/board/run-board.js";
import { type Answers, act } from "../api.js";
import { bytes, count, figure, percent, streamName } from "../format.js";
import { Card } from "../parts/card.js";
import { ConfirmButton } from "../parts/confirm-button.js";
import { Facts } from "../parts/facts.js";
import { Failure } from "../parts/failure.js";
import { LineChart } from "../parts/line-chart.js";
import { Pill, type Tone } from "../parts/pill.js";
import { Table } from "../parts/table.js";
import { Tile, Tiles } from "../parts/tile.js";
import type { ViewProps } from "../shell.js";
import { useResource } from "../use-resource.js";
import { useSteps } from "../use-steps.js";
import { Partitions } from "./partitions.js";
import { bySteps, byStream, looks } from "./run-series.js";

const stepsShown = 500;

const states: Readonly<Record<Answers["/run"]["state"], readonly [Tone, string]>> = {
	starting: ["busy", "Starting"],
	waiting: ["warn", "Waiting for devices"],
	training: ["busy", "Training"],
	serving: ["good", "Answering requests"],
};

/** The training run, live. */
export function Run({ user }: ViewProps) {
	const { value: run, failure } = useResource("/run", ["run"]);
	const { value: past } = useResource("/run/rounds", ["run"]);
	const { value: before } = useResource("/run/steps");
	const steps = useSteps(stepsShown);
	if (run === undefined) return <Failure of={failure} />;
	const rounds = past?.rounds ?? [];
	const [tone, name] = states[run.state];
	return (
		<>
			<div class="headline">
				<Pill tone={tone}>{name}</Pill>
				<span>
					<b>{run.model}</b> <span class="muted">weights {run.weights}</span>
				</span>
				{run.state === "waiting" && (
					<span class="muted">
						{run.devicesOnline} of {run.devicesNeeded} devices are there
					</span>
				)}
				{user.role === "operator" && (run.state === "training" || run.state === "waiting") && (
					<ConfirmButton label="End training" title="End training?" danger act={() => act("POST", "/run/stop")}>
						The step under way is finished; devices keep the best weights so far. It cannot be taken up again.
					</ConfirmButton>
				)}
			</div>
			{run.roundsPlanned === 0 && rounds.length === 0 ? (
				<Serving run={run} />
			) : (
				<Training run={run} rounds={rounds} steps={[...(before?.steps ?? []), ...steps].slice(-stepsShown)} />
			)}
		</>
	);
}

/** A cloud that trains nothing. */
function Serving({ run }: { run: Answers["/run"] }) {
	return (
		<Tiles>
			<Tile name="Training" value="none" note="it answers requests with a trained model" />
			<Tile name="Devices on line" value={count(run.devicesOnline)} />
			<Tile name="Data up" value={bytes(run.bytesUp)} note={`down ${bytes(run.bytesDown)}`} />
		</Tiles>
	);
}

interface TrainingProps {
	readonly run: Answers["/run"];
	readonly rounds: readonly RoundFigures[];
	readonly steps: readonly StepFigures[];
}

/** How training goes. */
function Training({ run, rounds, steps }: TrainingProps) {
	const last = rounds.at(-1);
	const best = rounds.findLast((round) => round.best);
	return (
		<>
			<Tiles>
				<Tile
					name="Round"
					value={`${run.round} / ${run.roundsPlanned}`}
					note={run.endReason ?? undefined}
					share={run.roundsPlanned === 0 ? undefined : run.round / run.roundsPlanned}
				/>
				<Tile
					name="Accuracy of the decision"
					value={percent(last?.validation.fused?.accuracy)}
					note={best && `best ${percent(best.validation.fused?.accuracy)}, round ${best.round}`}
				/>
				<Tile
					name="Training loss"
					value={figure(last === undefined ? null : meanLoss(last))}
					note={last && `learning rate ${last.learningRate.toPrecision(2)}`}
				/>
				<Tile name="Devices on line" value={count(run.devicesOnline)} note={last && `${last.devicesTrained} trained`} />
				<Tile name="Data up" value={bytes(run.bytesUp)} note={`down ${bytes(run.bytesDown)}`} />
			</Tiles>
			<div class="grid">
				<Card title="Accuracy on validation data">
					<LineChart
						label="Accuracy by stream"
						series={byStream(rounds, ({ validation }) => mapped(validation, ({ accuracy }) => accuracy))}
						xName="round"
						format={(value) => `${(100 * value).toFixed(0)} %`}
						finest={0.01}
					/>
				</Card>
				<Card title="Loss by round">
					<LineChart
						label="Training loss by stream"
						series={byStream(rounds, ({ losses }) => losses)}
						xName="round"
						format={loss}
						finest={0.01}
					/>
				</Card>
				<Card
					title="Loss, step by step"
					wide
					aside={run.state === "training" ? <Pill tone="busy">live</Pill> : undefined}
				>
					<LineChart
						label="Loss of the last steps by stream"
						series={bySteps(steps, run.streams)}
						xName="step"
						format={loss}
						finest={0.01}
					/>
				</Card>
				<Card title="Rounds" wide>
					<Rounds rounds={rounds} />
				</Card>
				{run.partitions.length > 0 && (
					<Card title="Partitions" wide>
						<Partitions partitions={run.partitions} />
					</Card>
				)}
				<Card title="Settings" wide>
					<Facts of={Object.entries(run.settings).map(([key, value]) => [words(key), shown(value)] as const)} />
				</Card>
			</div>
		</>
	);
}

function Rounds({ rounds }: { rounds: readonly RoundFigures[] }) {
	const bestRound = rounds.findLast(({ best }) => best)?.round;
	const streams = Object.keys(rounds.at(-1)?.losses ?? {}).sort((a, b) => looks.indexOf(a) - looks.indexOf(b));
	return (
		<Table
			label="Rounds"
			rows={rounds.toReversed()}
			most={10}
			keyOf={({ round }) => round}
			empty="No round is finished yet."
			columns={[
				{
					title: "Round",
					cell: ({ round }) => (
						<>
							{round} {round === bestRound && <Pill tone="good">best</Pill>}
						</>
					),
				},
				...streams.map((stream) => ({
					title: `Loss ${streamName(stream)}`,
					number: true,
					cell: ({ losses }: RoundFigures) => figure(losses[stream]),
				})),
				{ title: "Loss, local heads", number: true, cell: ({ localLoss }) => figure(localLoss) },
				{ title: "Accuracy", number: true, cell: ({ validation }) => percent(validation.fused?.accuracy) },
				{ title: "Balanced", number: true, cell: ({ validation }) => percent(validation.fused?.balancedAccuracy) },
				{ title: "Samples", number: true, cell: ({ samples }) => count(samples) },
				{ title: "Seconds", number: true, cell: ({ seconds }) => seconds.toFixed(1) },
			]}
		/>
	);
}

function meanLoss({ losses, localLoss }: RoundFigures): number | null {
	const known = Object.values(losses).filter((value) => value !== null);
	return known.length === 0 ? localLoss : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function mapped<T, U>(record: Readonly<Record<string, T>>, of: (value: T) => U): Readonly<Record<string, U>> {
	return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, of(value)]));
}

/** Small losses keep their digits. */
function loss(value: number): string {
	return value === 0 || value >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
}

/** `batchSize` -> batch size. */
function words(key: string): string {
	return key.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function shown(value: unknown): string {
	if (typeof value === "number") return String(Number(value.toPrecision(4)));
	if (typeof value === "boolean") return value ? "yes" : "no";
	if (Array.isArray(value)) return value.map(shown).join(", ");
	if (typeof value !== "object" || value === null) return String(value);
	return Object.entries(value)
		.map(([key, each]) => (key === "kind" ? shown(each) : `${words(key)} ${shown(each)}`))
		.join(", ");
}
