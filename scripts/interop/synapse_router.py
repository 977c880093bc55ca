"""A presence router for the other side: who observes whom comes from the configuration.

`snapshots` is for send_local_online_presence_to: whom an observer sees in it, and on no other way. It is called when somebody's
status is "everybody".
"""


class InteropRouter:
    def __init__(self, config, api):
        self._api = api
        self._observers = {source: set(observers) for source, observers in config["observers"].items()}
        self._snapshots = {observer: set(sources) for observer, sources in config["snapshots"].items()}
        api.register_presence_router_callbacks(
            get_users_for_states=self.get_users_for_states,
            get_interested_users=self.get_interested_users,
        )

    async def get_users_for_states(self, state_updates):
        users = {}
        for state in state_updates:
            for observer in self._observers.get(state.user_id, ()):
                users.setdefault(observer, set()).add(state)
            if state.status_msg == "everybody" and self._api.is_mine(state.user_id):
                await self._api.send_local_online_presence_to(list(self._snapshots))
        return users

    async def get_interested_users(self, user_id):
        followed = {source for source, observers in self._observers.items() if user_id in observers}
        return followed | self._snapshots.get(user_id, set())
