import { useId, useState } from "preact/hooks";
import { act, Refused } from "../api.js";
import { Facts } from "../parts/facts.js";
import { Failure } from "../parts/failure.js";
import { useResource } from "../use-resource.js";

type Settings = Readonly<Record<string, unknown>>;

/** What is wanted of a device, what is in force, and a form to want something else. */
export function DeviceTwin({ device, mayAct }: { device: string; mayAct: boolean }) {
	const { value, failure, reload } = useResource(`/devices/${device}/twin`, ["devices"]);
	if (value === undefined) return <Failure of={failure} />;
	const { desired, reported } = value;
	const errors = Object.entries(reported?.errors ?? {});
	return (
		<>
			<Facts
				of={[
					["Wanted", desired === null ? "nothing yet" : `version ${desired.version}: ${listed(desired.settings)}`],
					["In force", reported === null ? "the device told of none" : standing(reported, desired?.version ?? 0)],
					...errors.map(([name, why]) => [`Not taken: ${name}`, why] as const),
				]}
			/>
			{mayAct && <Wish key={desired?.version} device={device} from={desired?.settings ?? {}} onDone={reload} />}
		</>
	);
}

function Wish({ device, from, onDone }: { device: string; from: Settings; onDone: () => void }) {
	const [failure, setFailure] = useState<Refused>();
	const [unread, setUnread] = useState<string>();
	const id = useId();
	const submit = async (event: SubmitEvent) => {
		event.preventDefault();
		setFailure(undefined);
		setUnread(undefined);
		const text = `${new FormData(event.currentTarget as HTMLFormElement).get("settings")}`;
		try {
			await act("POST", `/devices/${device}/twin`, { settings: JSON.parse(text) });
			onDone();
		} catch (error) {
			if (error instanceof Refused) setFailure(error);
			else if (error instanceof SyntaxError) setUnread(error.message);
		}
	};
	return (
		<form class="orders" onSubmit={submit}>
			<div class="field">
				<label for={id}>Settings as JSON</label>
				<textarea id={id} name="settings" rows={3} spellcheck={false} aria-describedby={`${id}-hint`}>
					{JSON.stringify(from)}
				</textarea>
				<p id={`${id}-hint`} class="muted small">
					For instance {'{"dutyCycle": 0.5, "maxCelsius": 70}'}. They replace all before; the device applies them
					between two batches.
				</p>
			</div>
			<button type="submit" class="solid">
				Want these
			</button>
			<Failure of={failure} />
			{unread !== undefined && (
				<p role="alert" class="failure">
					This is no JSON: {unread}
				</p>
			)}
		</form>
	);
}

function standing({ version, settings }: { version: number; settings: Settings }, wanted: number): string {
	const age = version < wanted ? `, version ${wanted} is on its way` : "";
	return `version ${version}${age}: ${listed(settings)}`;
}

function listed(settings: Settings): string {
	return (
		Object.entries(settings)
			.map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
			.join(", ") || "no settings"
	);
}
