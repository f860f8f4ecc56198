// What the portal's pages do where scripts run: they save by themselves, and
// warn before a login ends. Every page works without. Pages say what they want by
// data attributes; nothing else is read.
(() => {
	"use strict";

	// Something wrong is the first thing to be heard of.
	const wrong = document.getElementById("problems");
	if (wrong) wrong.focus();

	// A page out of the browser's memory may show an older draft than there is.
	addEventListener("pageshow", (e) => {
		if (e.persisted) location.reload();
	});

	let ends = () => {}; // the login lives on: counted anew
	let leaving = async () => {}; // saves what is typed and not yet saved
	const ending = document.querySelector("dialog[data-idle]");
	if (ending) watch(ending);

	const form = document.querySelector("form[data-autosave]");
	if (form) keep(form);

	// watch shows the dialog two minutes before the login ends, and leaves the page
	// when it has.
	function watch(dialog) {
		const idle = Number(dialog.dataset.idle) * 1000;
		let since = Date.now(), timer = 0;
		ends = () => {
			since = Date.now();
			if (dialog.open) dialog.close();
			plan();
		};
		plan();
		// A computer that slept counts no time; its clock does.
		document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

		dialog.querySelector("form").addEventListener("submit", async (e) => {
			e.preventDefault();
			e.stopPropagation();
			try {
				const answer = await fetch(e.target.action, { method: "POST", redirect: "error", headers: { "Content-Type": "application/x-www-form-urlencoded" } });
				if (answer.ok) return ends();
			} catch { /* the page says below what has become of it */ }
			look(true);
		});
		dialog.addEventListener("cancel", (e) => {
			e.preventDefault();
			dialog.querySelector("form").requestSubmit();
		});

		function plan() {
			clearTimeout(timer);
			const warn = since + idle - 120000, over = since + idle + 1000;
			const next = Date.now() < warn ? warn : over;
			timer = setTimeout(look, Math.max(next - Date.now(), 500));
		}

		async function look(gone) {
			const left = since + idle - Date.now();
			if (left <= 0 || gone === true) {
				await leaving();
				location.replace(dialog.dataset.over);
				return;
			}
			if (left <= 120000 && !dialog.open) {
				await leaving();
				if (since + idle - Date.now() <= 120000) dialog.showModal();
			}
			plan();
		}
	}

	// keep saves a step by itself, some time after each change. Buttons wait for a
	// save that is under way: both say which version they go out from.
	function keep(form) {
		const told = form.querySelector("[data-kept]"), revision = form.elements.revision;
		// Known is what the server drew, not what was typed before the script came.
		const drawn = form.cloneNode(true);
		drawn.reset();
		let before = content(drawn), busy = null, timer = 0, over = false;

		form.addEventListener("input", () => later(2500));
		form.addEventListener("change", () => later(400));
		document.addEventListener("visibilitychange", () => { if (document.hidden) later(0); });
		form.addEventListener("submit", (e) => {
			clearTimeout(timer);
			if (!busy) return;
			e.preventDefault();
			e.stopPropagation();
			const button = e.submitter;
			busy.finally(() => form.requestSubmit(button));
		}, true);

		leaving = async () => {
			clearTimeout(timer);
			await (busy ?? start(false));
		};

		function later(ms) {
			clearTimeout(timer);
			timer = setTimeout(() => start(true), ms);
		}

		// content is what is typed; files go with a button alone.
		function content(of = form) {
			const data = new URLSearchParams();
			for (const [name, value] of new FormData(of)) {
				if (typeof value === "string" && name !== "revision") data.append(name, value);
			}
			return data.toString();
		}

		function start(alive) {
			if (busy || over || form.dataset.sent) return busy ?? Promise.resolve();
			const now = content();
			if (now === before) return Promise.resolve();
			busy = send(now, alive).finally(() => { busy = null; });
			return busy;
		}

		async function send(now, alive) {
			say(told.dataset.saving);
			const stop = new AbortController();
			const limit = setTimeout(() => stop.abort(), 15000);
			try {
				const body = new URLSearchParams(now);
				body.set("revision", revision.value);
				body.set("go", "auto");
				const answer = await fetch(form.action, { method: "POST", body, cache: "no-store", redirect: "error", signal: stop.signal, headers: { Accept: "application/json" } });
				if (answer.ok) {
					const said = await answer.json();
					before = now;
					revision.value = said.revision;
					if (alive) ends();
					say(told.dataset.saved + " " + new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }));
					await redraw(said.fields);
				} else if (answer.status === 401 || answer.status === 409 || answer.status === 404) {
					over = true;
					const { state } = await answer.json(); // "out", "conflict", "locked" or "gone"
					say(told.dataset[state], true);
				} else {
					again();
				}
			} catch {
				again();
			} finally {
				clearTimeout(limit);
			}
		}

		function again() {
			say(told.dataset.failed, true);
			later(15000);
		}

		function say(text, bad) {
			told.textContent = text;
			told.classList.toggle("bad", !!bad);
		}

		// redraw shows the questions that an answer brought, and hides those that it
		// took away, as the server draws them.
		async function redraw(names) {
			const fields = form.querySelector("[data-fields]");
			if (names === undefined || names === fields.dataset.fields) return;
			const answer = await fetch(form.action, { cache: "no-store", redirect: "error" });
			if (!answer.ok) return;
			const page = new DOMParser().parseFromString(await answer.text(), "text/html");
			const fresh = page.querySelector("[data-fields]");
			if (!fresh || content() !== before) return later(400); // typed meanwhile: after the next save
			// Fields that stay are left as they are, with focus and chosen files.
			const was = new Map([...fields.children].map((f) => [key(f), f]));
			let at = null;
			for (const f of [...fresh.children]) {
				const old = was.get(key(f));
				const stays = old ?? document.importNode(f, true);
				was.delete(key(f));
				if ((at ? at.nextElementSibling : fields.firstElementChild) !== stays) {
					if (at) at.after(stays);
					else fields.prepend(stays);
				}
				at = stays;
			}
			for (const f of was.values()) f.remove();
			fields.dataset.fields = fresh.dataset.fields;
			before = content();
			revision.value = page.querySelector("form[data-autosave]").elements.revision.value;
		}

		function key(field) {
			return (field.id || field.querySelector("[id]")?.id || "").replace(/-(set|help|error)$/, "");
		}
	}
})();
