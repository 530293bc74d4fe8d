from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.sync import sync_providers
from providers.trying import CannotTry, Trial, look_at_account, try_provider
from providers.types import Capability


class Command(BaseCommand):
    help = "Makes one smallest real call with the key from the environment: it costs money. --account costs nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the provider's slug, e.g. runway")
        parser.add_argument("--capability", default="", choices=["", *Capability], help="what to ask for")
        parser.add_argument("--offer", default="", help="the vendor's name of the model")
        parser.add_argument("--account", action="store_true", help="only look at the account, which costs nothing")

    def handle(self, *args: Any, name: str, capability: str, offer: str, account: bool, **options: Any) -> None:
        sync_providers(name)
        try:
            if account:
                trial = look_at_account(name)
            else:
                trial = try_provider(name, capability=capability, offer=offer, tell=self.stdout.write)
        except CannotTry as why:
            raise CommandError(str(why)) from why
        self._tell(trial)
        if not trial.ok:
            raise SystemExit(1)

    def _tell(self, trial: Trial) -> None:
        self.stdout.write(f"{trial.provider}: {trial.said}")
        for file in trial.files:
            self.stdout.write(f"  result: {file}")
        for limit in trial.limits:
            self.stdout.write(f"  limits: {limit}")
        if trial.offer:
            cost = "not known from here" if trial.micro is None else f"${trial.micro / 10**6:.4f}"
            if trial.micro is None and trial.booked_micro:
                cost += f" (${trial.booked_micro / 10**6:.4f} are booked, the most it may be)"
            self.stdout.write(f"  cost:   {cost}, in {trial.took_s:.0f} s")
