import type { LogFigures } from "../../../src/operations/board/storage-figures.js";
import { act } from "../api.js";
import { bytes, count, moment } from "../format.js";
import { Card } from "../parts/card.js";
import { ConfirmButton } from "../parts/confirm-button.js";
import { Failure } from "../parts/failure.js";
import { Pill } from "../parts/pill.js";
import { Table } from "../parts/table.js";
import { Tile, Tiles } from "../parts/tile.js";
import type { ViewProps } from "../shell.js";
import { useResource } from "../use-resource.js";

/** Log, checkpoints and the audit trail. */
export function Storage({ user }: ViewProps) {
	const { value, failure, reload } = useResource("/storage", ["storage"]);
	const { value: trail } = useResource("/trail?last=100", ["storage", "devices"]);
	if (value === undefined) return <Failure of={failure} />;
	const { logs, checkpoints } = value;
	const durable = logs.every((log) => log.durable);
	const sum = (of: (log: LogFigures) => number) => logs.reduce((total, log) => total + of(log), 0);
	const [log] = logs;
	const write = async () => {
		await act("POST", "/storage/checkpoints");
		reload();
	};
	return (
		<>
			<Tiles>
				<Tile name="Log" value={durable ? "on disk" : "in memory"} tone={durable ? "good" : "warn"} />
				<Tile
					name={logs.length === 1 ? "Next entry" : "Entries written"}
					value={count(sum(({ end }) => end))}
					note={`${count(sum(({ end, openedAt }) => end - openedAt))} since the start`}
				/>
				<Tile
					name="Entries kept"
					value={count(sum(({ end, start }) => end - start))}
					note={logs.length === 1 && log !== undefined ? `from ${count(log.start)} on` : `in ${logs.length} logs`}
				/>
				<Tile name="Checkpoints" value={count(checkpoints.length)} />
			</Tiles>
			<div class="grid">
				<Card
					title="Checkpoints"
					wide
					aside={
						user.role === "operator" && (
							<ConfirmButton label="Write one now" title="Write a checkpoint?" act={write}>
								The state after the last finished round is written; the oldest of three gives way.
							</ConfirmButton>
						)
					}
				>
					<Table
						label="Checkpoints"
						rows={checkpoints}
						keyOf={({ file }) => file}
						empty="There is none yet: one is written after each round."
						columns={[
							{ title: "File", cell: ({ file }) => file },
							{ title: "Written", cell: ({ at }) => (at === null ? "in the store" : moment(at)) },
							{ title: "Size", number: true, cell: ({ bytes: size }) => bytes(size) },
						]}
					/>
				</Card>
				{logs.length > 1 && (
					<Card title="Logs" wide>
						<Table
							label="Logs"
							rows={logs}
							keyOf={({ name }) => name}
							empty=""
							columns={[
								{ title: "Of", cell: ({ name }) => name },
								{ title: "Next entry", number: true, cell: ({ end }) => count(end) },
								{ title: "Kept from", number: true, cell: ({ start }) => count(start) },
							]}
						/>
					</Card>
				)}
				<Card title="Audit trail" wide aside={<Pill tone="plain">last {trail?.entries.length ?? 0}</Pill>}>
					<Table
						label="Audit trail"
						most={25}
						rows={trail?.entries ?? []}
						keyOf={({ seq }) => seq}
						empty="Nothing happened yet."
						columns={[
							{ title: "No.", cell: ({ seq }) => count(seq) },
							{ title: "When", cell: ({ at }) => moment(at) },
							{ title: "What", cell: ({ event }) => event },
							{ title: "Details", cell: ({ seq: _, at: __, event: ___, ...details }) => said(details) },
						]}
					/>
				</Card>
			</div>
		</>
	);
}

function said(details: Readonly<Record<string, unknown>>): string {
	return Object.entries(details)
		.map(
			([name, value]) =>
				`${name} ${typeof value === "string" && value.length === 64 ? `${value.slice(0, 12)}…` : value}`,
		)
		.join(", ");
}
