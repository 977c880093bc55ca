"""A presence router for the other side: who observes whom comes from the configuration."""


class InteropRouter:
    def __init__(self, config, api):
        self._observers = {source: set(observers) for source, observers in config["observers"].items()}
        api.register_presence_router_callbacks(
            get_users_for_states=self.get_users_for_states,
            get_interested_users=self.get_interested_users,
        )

    async def get_users_for_states(self, state_updates):
        users = {}
        for state in state_updates:
            for observer in self._observers.get(state.user_id, ()):
                users.setdefault(observer, set()).add(state)
        return users

    async def get_interested_users(self, user_id):
        return {source for source, observers in self._observers.items() if user_id in observers}
