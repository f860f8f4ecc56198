// What Sigill's pages do where scripts run. Every page works without: this only
// spares the person reloads and a click. Pages say what they want by data
// attributes; nothing else is read.
(() => {
	"use strict";

	// One press is enough. The button comes back when the page does, as by the
	// back button.
	addEventListener("submit", (e) => {
		const form = e.target;
		if (form.dataset.sent) {
			e.preventDefault();
			return;
		}
		form.dataset.sent = "1";
		for (const b of form.querySelectorAll("button")) b.setAttribute("aria-disabled", "true");
	});
	addEventListener("pageshow", (e) => {
		for (const form of document.querySelectorAll("form[data-sent]")) {
			delete form.dataset.sent;
			for (const b of form.querySelectorAll("button")) b.removeAttribute("aria-disabled");
		}
		// A waiting page out of the browser's memory is old.
		if (e.persisted && document.querySelector("[data-status]")) location.reload();
	});

	// A form that is only on its way.
	document.querySelector("form[data-onward]")?.requestSubmit();

	const wait = document.querySelector("[data-status]");
	if (wait) watch(wait);

	function watch(wait) {
		const part = (name) => wait.querySelector("[data-" + name + "]");
		const code = part("code"), app = part("app"), open = part("open"), help = part("help"), hint = part("hint");
		let picture = part("picture"), busy = false, failures = 0, timer = 0, shown = "";

		if (open && !open.hidden) offer(open.getAttribute("href"));
		tick();
		document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
		addEventListener("online", tick);

		async function tick() {
			clearTimeout(timer);
			if (busy) return;
			busy = true;
			let over = false;
			try {
				const answer = await fetch(wait.dataset.status, {
					headers: { Accept: "application/json" }, cache: "no-store", redirect: "error", signal: timeout(10000),
				});
				if (answer.ok) {
					over = show(await answer.json());
					failures = 0;
				} else if (answer.status === 429 || answer.status >= 500) {
					failed();
				} else {
					over = true;
					location.reload(); // the page says what has become of it
				}
			} catch {
				failed();
			}
			busy = false;
			if (!over) timer = setTimeout(tick, document.hidden ? 3000 : Math.min(1000 * 2 ** failures, 15000));
		}

		function timeout(ms) {
			const stop = new AbortController();
			setTimeout(() => stop.abort(), ms);
			return stop.signal;
		}

		function failed() {
			if (++failures === 3) say(wait.dataset.offline);
		}

		function show(s) {
			if (s.state === "complete" && s.redirect) {
				say(wait.dataset.done);
				location.replace(s.redirect);
				return true;
			}
			// To an issuer's own site it goes by another page than to an app.
			if (s.state !== wait.dataset.state || (s.hint === "away") !== ("away" in wait.dataset)) {
				location.reload();
				return true;
			}
			say(s.text);
			if (open && s.link) offer(s.link);
			if (code && s.state === "pending") {
				code.hidden = !s.qr;
				app.hidden = !!s.qr;
				if (s.qr && s.qr !== shown) swap(s.qr);
			}
			return false;
		}

		// The new picture is loaded before it takes the old one's place, so that a
		// camera never sees an empty square.
		function swap(frame) {
			const next = new Image(280, 280);
			next.alt = picture.alt;
			next.dataset.picture = picture.dataset.picture;
			next.onload = () => {
				shown = frame;
				picture.replaceWith(next);
				picture = next;
			};
			next.src = picture.dataset.picture + "&t=" + Date.now();
		}

		function offer(link) {
			open.href = link;
			open.hidden = help.hidden = false;
			if (wait.dataset.auto) launch(link);
		}

		function say(text) {
			if (text && hint.textContent !== text) hint.textContent = text;
		}
	}

	// Opens the app once for each order: browsers may refuse without a press,
	// and then the button is there. iOS opens an https link in the app only when
	// it is pressed.
	function launch(link) {
		const ios = /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac/.test(navigator.platform) && navigator.maxTouchPoints > 1);
		if (ios && /^https?:/.test(link)) return;
		try {
			if (sessionStorage.getItem("opened") === location.pathname) return;
			sessionStorage.setItem("opened", location.pathname);
		} catch {
			return; // no memory: better no launch than one at each reload
		}
		location.href = link;
	}
})();
