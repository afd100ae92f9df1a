import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Refused } from "../api.js";
import { Failure } from "./failure.js";

interface GateProps {
	readonly id: string;
	readonly title: string;
	/** Of the button; undefined while there is nothing to send yet. */
	readonly action: string | undefined;
	/** Something went wrong before. */
	readonly failure?: Refused | undefined;
	/** Sends what was written; what the cloud refuses is shown. */
	readonly send: (form: FormData) => Promise<void>;
	readonly children: ComponentChildren;
}

/** The form before the page: it lets somebody in. */
export function Gate({ id, title, action, failure: before, send, children }: GateProps) {
	const [failure, setFailure] = useState<Refused>();
	const [busy, setBusy] = useState(false);
	const submit = async (event: SubmitEvent) => {
		event.preventDefault();
		setBusy(true);
		try {
			await send(new FormData(event.currentTarget as HTMLFormElement));
		} catch (error) {
			if (error instanceof Refused) setFailure(error);
		} finally {
			setBusy(false);
		}
	};
	return (
		<main class="gate">
			<form class="card" onSubmit={submit} aria-labelledby={id}>
				<img src="/icon.svg" alt="" width="48" height="48" />
				<h1 id={id}>{title}</h1>
				{children}
				<Failure of={failure ?? before} />
				{action !== undefined && (
					<button type="submit" class="solid" disabled={busy}>
						{action}
					</button>
				)}
			</form>
		</main>
	);
}
